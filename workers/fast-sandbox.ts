import { createRequire } from 'node:module';
import path from 'node:path';
import type { Worker as WorkerThread, WorkerOptions } from 'node:worker_threads';

/**
 * What each thread that runs workflow code loads first. Two costs of the SDK's sandbox go away (docs/performance.md):
 *
 * - every call into the sandbox carries a `timeout`, for which Node starts and joins a thread each time. Without it, a
 *   workflow that never returns from a computation is no longer stopped after five seconds;
 * - a hook records the stack of every promise, for the query `__stack_trace` alone. The SDK takes a hook that cannot
 *   be made for an old Node: the query then answers that stack traces are not enabled. Node makes the hooks of
 *   AsyncLocalStorage through the very same function and names `before` among them; they must stay, since the SDK's
 *   cancellation scopes rest on them.
 */
const PRELOAD = `
import v8 from 'node:v8';
import vm from 'node:vm';
const { runInContext } = vm.Script.prototype;
vm.Script.prototype.runInContext = function (context, options) {
  if (options?.timeout === undefined) return runInContext.call(this, context, options);
  const { timeout, ...untimed } = options;
  return runInContext.call(this, context, untimed);
};
const { createHook } = v8.promiseHooks;
v8.promiseHooks.createHook = (hooks) => {
  if ('before' in hooks) return createHook(hooks);
  throw new Error('switched off by PROKURA_FAST_SANDBOX');
};
`;

const PRELOAD_URL = `data:text/javascript,${encodeURIComponent(PRELOAD)}`;
/** The SDK's thread of workflow code, as its package lays it out. */
export const WORKFLOW_THREAD = path.join('@temporalio', 'worker', 'lib', 'workflow', 'workflow-worker-thread.js');

let enabled = false;

/**
 * Makes the SDK's workflow threads of this process start with {@link PRELOAD}; to be called before the first
 * `Worker.create`. Other threads are left alone.
 *
 * `node --import` does the same from outside, but only for whoever writes the command line; here one setting suffices
 * in every way of starting. A `data:` URL, since it needs no loader, no file beside the compiled code, and works
 * with node's own `--import` inside the thread.
 */
export function enableFastSandbox(): void {
  if (enabled) return;
  enabled = true;
  const threads = createRequire(import.meta.url)('node:worker_threads') as { Worker: typeof WorkerThread };
  // The SDK is CommonJS and looks the class up when it makes a thread, so replacing the member reaches it.
  threads.Worker = class extends threads.Worker {
    constructor(file: string | URL, options: WorkerOptions = {}) {
      const preloaded = String(file).endsWith(WORKFLOW_THREAD);
      super(file, preloaded ? { ...options, execArgv: [...profiling(), '--import', PRELOAD_URL] } : options);
    }
  };
}

/** Naming `execArgv` replaces what a thread inherits. Of the process's options only a profiler means anything there. */
function profiling(): string[] {
  return process.execArgv.filter((option) => /^--(cpu|heap)-prof/.test(option) && !option.endsWith('-name'));
}
