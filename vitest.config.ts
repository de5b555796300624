import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Forks, never threads: the Temporal SDK is a native addon, and a hung one can be killed only with its process.
    pool: 'forks',
    // Two at least: a test of the whole system waits more than it computes.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    globalSetup: ['test/setup/global.ts'],
    setupFiles: ['test/setup/no-outside-network.ts'],
    reporters: ['default', './test/setup/summary-reporter.ts'],
    testTimeout: 20_000,
    // The first test file that asks for the database or for Temporal waits until it is up.
    hookTimeout: 60_000,
    teardownTimeout: 30_000,
    env: { NODE_ENV: 'test', LOG_LEVEL: 'silent' },
  },
});
