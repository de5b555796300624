import { Client, Connection } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Decided } from '../../src/cli/demo/bodies.ts';
import { assembleCast } from '../../src/cli/demo/cast.ts';
import { parseId } from '../../src/domain/ids.ts';
import { backtestWorkflowId } from '../../src/workflows/identity.ts';
import { eventually } from '../journeys/journey.ts';
import { shared } from '../setup/harness/client.ts';
import { copyDecisions } from '../store/copies.ts';
import { install, type Installation, type ServiceProcess } from './processes.ts';

const DECISIONS = 30_000;
/** So many that a pass does not reach the end. */
const RULES = 500;

interface Backtest {
  backtest_id: string;
  status: string;
  progress: { done: number };
}

let t: Installation;
let workers: ServiceProcess[];
let temporal: Client;
beforeAll(async () => {
  t = await install();
  workers = await Promise.all([t.startWorker(), t.startWorker()]);
  const { address, namespace } = await shared('temporal');
  temporal = new Client({ connection: await Connection.connect({ address }), namespace });
}, 60_000);
afterAll(async () => {
  await temporal.connection.close();
  await t.close();
});

const read = (id: string) => t.client.get<Backtest>(`/v1/policies/backtests/${id}`);
const reportOf = async (id: string) => {
  const { rows } = await t.database.pool.query<{ report: string }>(
    'SELECT report::text AS report FROM policy_backtests WHERE id = $1',
    [parseId(id, 'bkt')],
  );
  return rows[0]!.report;
};

describe('a backtest whose worker is killed', () => {
  it('goes on in another, and comes to the same report, byte for byte', async () => {
    const cast = await assembleCast(t.client);
    const { body } = await t.post<Decided>('/v1/execution/authorize', {
      agent_id: cast.agent_id,
      principal_id: cast.principal_id,
      delegation_id: cast.everyday,
      intent: { amount: 120, currency: 'EUR', merchant_ref: 'mrc_hotel', channel: 'chatpay' },
    });
    const template = parseId(body.execution_ref, 'exec')!;
    await copyDecisions(t.database.pool, template, { count: DECISIONS, everyMs: 500, before: new Date() });
    const cel = Array.from({ length: RULES }, (_, i) => ({
      name: `rule_${i}`,
      when: `intent.amount_minor > ${300_000 + i} && count("decisions", "merchant", "1h") > ${100 + i}`,
      effect: 'deny',
      message: 'An example',
    }));
    const question = { rules: { cel, velocity: { window: '1h', max: 5_000 } }, to: new Date().toISOString() };
    const begin = async () => (await t.post<Backtest>('/v1/policies/backtest', question)).body.backtest_id;
    const from = new Date(Date.now() - 86_400_000).toISOString();
    Object.assign(question, { from });

    const id = await begin();
    await eventually(
      () => read(id),
      ({ progress }) => progress.done > 0,
      60_000,
    );
    const handle = temporal.workflow.getHandle(
      backtestWorkflowId({ orgId: parseId(t.credentials.org_id, 'org')!, mode: 'test' }, parseId(id, 'bkt')!),
    );
    const holder = await eventually(
      async () => {
        const { raw } = await handle.describe();
        const identity = raw.pendingActivities?.[0]?.lastWorkerIdentity ?? '';
        return workers.find(({ pid }) => pid === Number.parseInt(identity, 10));
      },
      Boolean,
      30_000,
      () => 'no worker at it',
    );
    const before = await read(id);
    expect(before.status).toBe('running');
    await holder!.kill();
    const ended = await eventually(
      () => read(id),
      ({ status }) => status !== 'running',
      90_000,
    );
    expect(ended).toMatchObject({ status: 'completed', result: { decisions: DECISIONS + 1 } });

    const other = await begin();
    await eventually(
      () => read(other),
      ({ status }) => status === 'completed',
      90_000,
    );
    expect(await reportOf(id)).toBe(await reportOf(other));
    // The control: it is a report that other decisions would change.
    expect(JSON.parse(await reportOf(id))).toMatchObject({ sampled: DECISIONS + 1 });
    expect((JSON.parse(await reportOf(id)) as { changed: number }).changed).toBeGreaterThan(0);
  }, 240_000);
});
