import { writeSync } from 'node:fs';
import type { Reporter, SerializedError, TestModule } from 'vitest/node';

const STDOUT = 1;

/**
 * Ends a run with one plain line, `N passed, M failed[, K skipped]`, that any tool can read. A file that cannot be
 * loaded and an error outside any test count as a failure each: nothing that went wrong adds up to `0 failed`.
 */
export default class SummaryReporter implements Reporter {
  #line = '0 passed, 1 failed';

  onInit(): void {
    // The last thing on the terminal, after vitest's own summary and the teardown's words: written as the process ends.
    process.once('exit', () => writeSync(STDOUT, `\n${this.#line}\n`));
  }

  onTestRunEnd(modules: ReadonlyArray<TestModule>, unhandledErrors: ReadonlyArray<SerializedError>): void {
    this.#line = summarize(modules, unhandledErrors.length);
  }
}

/** The closing line for these test files. */
export function summarize(modules: ReadonlyArray<TestModule>, errorsOutsideTests: number): string {
  let passed = 0;
  let failed = errorsOutsideTests;
  let skipped = 0;
  for (const module of modules) {
    if (module.errors().length > 0) failed++;
    for (const suite of module.children.allSuites()) if (suite.errors().length > 0) failed++;
    for (const test of module.children.allTests()) {
      const { state } = test.result();
      if (state === 'passed') passed++;
      else if (state === 'failed') failed++;
      else skipped++;
    }
  }
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
}
