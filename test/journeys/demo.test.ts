import { afterAll, beforeAll, expect, it } from 'vitest';
import type { DemoFile } from '../../src/cli/demo-file.ts';
import { runDemo } from '../../src/cli/demo/run.ts';
import { createTestDatabase } from '../setup/database.ts';
import { startTestService, type TestService } from '../setup/service.ts';
import { expectInvariants } from './invariants.ts';

let service: TestService;
let start: DemoFile;
beforeAll(async () => {
  service = await startTestService();
  start = {
    api_url: service.url,
    temporal_ui_url: 'http://127.0.0.1:8233',
    temporal_address: '127.0.0.1:7233',
    temporal_namespace: 'prokura',
    database_url: service.database.url,
    simulator_url: service.simulatorUrl,
    ...service.credentials,
  };
});
afterAll(() => service.close());

async function demo(file: DemoFile) {
  const lines: string[] = [];
  const code = await runDemo({ start: file, json: false, log: (line) => lines.push(line) });
  return { code, text: lines.join('\n') };
}

it('tells its stories and finds every invariant, as often as wanted', { timeout: 60_000 }, async () => {
  for (let run = 1; run <= 2; run++) {
    const { code, text } = await demo(start);
    expect(text).not.toContain('✗');
    expect(code).toBe(0);
    expect(text.match(/\/namespaces\/\S+\/workflows\//g)).toHaveLength(6);
    expect(text).not.toContain(start.api_key);
  }
  await expectInvariants(service);
});

it('fails when the system cannot be asked', async () => {
  const { code, text } = await demo({ ...start, api_key: 'prk_test_wrong' });
  expect(code).toBe(1);
  expect(text).toContain('answered 401');
});

it('fails when the books do not support the counters', { timeout: 60_000 }, async () => {
  const elsewhere = await createTestDatabase();
  try {
    const { code, text } = await demo({ ...start, database_url: elsewhere.url });
    expect(code).toBe(1);
    expect(text).toContain('✗ balances of the ledger = counters of the payments');
    expect(text).toContain('✓ counters of the payments = effects at the processors');
  } finally {
    await elsewhere.drop();
  }
});
