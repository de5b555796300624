import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Worker as WorkerThread } from 'node:worker_threads';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { enableFastSandbox, WORKFLOW_THREAD } from '../../workers/fast-sandbox.ts';

const require = createRequire(import.meta.url);
const threads = require('node:worker_threads') as { Worker: typeof WorkerThread };

/** Computes for 100 ms in a sandbox that grants 10, then asks for a promise hook; says what was stopped, and whether async context is kept. */
const THREAD = `
const vm = require('node:vm');
const v8 = require('node:v8');
const { AsyncLocalStorage } = require('node:async_hooks');
const attempt = (work) => { try { work(); return 'done'; } catch (error) { return error.code ?? error.message; } };
const scope = new AsyncLocalStorage();
scope.run('mine', async () => {
  await undefined;
  return scope.getStore();
}).then((kept) => require('node:worker_threads').parentPort.postMessage({
  kept,
  sandbox: attempt(() => new vm.Script('for (const end = Date.now() + 100; Date.now() < end;);')
    .runInContext(vm.createContext({ Date }), { timeout: 10 })),
  hook: attempt(() => v8.promiseHooks.createHook({ init() {}, settled() {} })()),
}));
`;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'prokura-threads-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

async function run(name: string): Promise<unknown> {
  const file = path.join(folder, name);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, THREAD);
  return new Promise((resolve, reject) => new threads.Worker(file).once('message', resolve).once('error', reject));
}

describe('the fast sandbox', () => {
  it('leaves a workflow thread as it is until it is enabled', async () => {
    expect(await run(WORKFLOW_THREAD)).toEqual({ kept: 'mine', sandbox: 'ERR_SCRIPT_EXECUTION_TIMEOUT', hook: 'done' });
  });

  it('takes timeout and promise hook from workflow threads, and from no other thread', async () => {
    enableFastSandbox();
    enableFastSandbox();
    expect(await run(WORKFLOW_THREAD)).toEqual({
      kept: 'mine',
      sandbox: 'done',
      hook: 'switched off by PROKURA_FAST_SANDBOX',
    });
    expect(await run('other.js')).toEqual({ kept: 'mine', sandbox: 'ERR_SCRIPT_EXECUTION_TIMEOUT', hook: 'done' });
  });

  it('knows the file that this version of the SDK runs', () => {
    const sdk = path.dirname(require.resolve('@temporalio/worker/package.json'));
    expect(() => require.resolve(path.join(sdk, '..', '..', WORKFLOW_THREAD))).not.toThrow();
  });
});
