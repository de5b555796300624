import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { makeKeys } from '../../src/cli/provision/keys.ts';
import { createSealer } from '../../src/trust/seal.ts';
import { insertWebhook } from '../../src/store/webhooks/endpoints.ts';
import { eventually } from '../journeys/journey.ts';
import { createHookWorld, type HookWorld } from './setup.ts';

let w: HookWorld;
beforeAll(async () => {
  w = await createHookWorld();
});
afterAll(() => w.close());

it('a relay that is killed mid-delivery leaves everything to the next: at least once, with the same id', async () => {
  const keys = await makeKeys();
  const sealer = createSealer(keys.PROKURA_DATA_KEY);
  const settings = {
    url: w.farm.url('/killed'),
    description: null,
    events: [],
    ordered: false,
    format: 'standard' as const,
    jws: false,
    rateLimit: null,
    headers: {},
  };
  const { id } = await insertWebhook(w.pool, sealer, w.tenant, settings);
  const start = async () => {
    const relay = fork(fileURLToPath(new URL('../../bench/webhooks/relay.ts', import.meta.url)), [], {
      execArgv: ['--import', 'tsx'],
      env: { ...process.env, ...keys, DATABASE_URL: w.database.url },
    });
    await once(relay, 'message');
    return relay;
  };
  // The first ones are never answered: they are under way when the process dies.
  w.farm.script('/killed', 'hang', 'hang', 200);
  const first = await start();
  const sent = [await w.event(), await w.event(), await w.event(), await w.event()];
  await eventually(
    async () => w.farm.received('/killed').length,
    (n) => n >= 2,
    20_000,
  );
  first.kill('SIGKILL');
  await once(first, 'exit');
  expect((await w.deliveries(id)).filter(({ status }) => status === 'pending').length).toBeGreaterThanOrEqual(2);

  const second = await start();
  await eventually(
    () => w.deliveries(id),
    (all) => all.every(({ status }) => status === 'delivered'),
    40_000,
  );
  const ids = w.farm.received('/killed').map(({ headers }) => headers['webhook-id']!);
  expect([...new Set(ids)].sort()).toEqual([...sent].sort());
  // The control: two came twice.
  expect(ids.length).toBeGreaterThanOrEqual(sent.length + 2);
  second.kill();
  await once(second, 'exit');
}, 90_000);
