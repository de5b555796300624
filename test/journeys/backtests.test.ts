import { Client, Connection } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseId } from '../../src/domain/ids.ts';
import type { Tenant } from '../../src/domain/types.ts';
import { insertBacktest } from '../../src/store/backtests/rows.ts';
import { newId } from '../../src/trust/new-id.ts';
import { backtestWorkflowId } from '../../src/workflows/identity.ts';
import { shared } from '../setup/harness/client.ts';
import { copyDecisions } from '../store/copies.ts';
import { eventually, startJourney, type Cast, type Journey } from './journey.ts';

interface Backtest {
  backtest_id: string;
  status: string;
  progress: { done: number; total: number | null; percent: number };
  plot_url: string | null;
  result: {
    decisions: number;
    changed: number;
    stricter: number;
    unjudged: number;
    directions: { from: string; to: string; decisions: number; amounts: { currency: string; amount: number }[] }[];
    examples: { execution_ref: string; to: string; truth: string; explanation: { rule: string }[] }[];
    matrix: Record<string, Record<string, number>>;
    confusion: { candidate: { bad_stopped: number; good_stopped: number; precision: number | null } };
    rules: { rule: string; failed: number; sole: number }[];
    decided_by: { policy_id: string | null; decisions: number }[];
  } | null;
}

let t: Journey;
let temporal: Client;
let tenant: Tenant;
let cast: Cast;
beforeAll(async () => {
  t = await startJourney();
  const { address, namespace } = await shared('temporal');
  temporal = new Client({ connection: await Connection.connect({ address }), namespace });
  tenant = { orgId: parseId(t.credentials.org_id, 'org')!, mode: 'test' };
  cast = await t.cast();
});
afterAll(async () => {
  await temporal.connection.close();
  await t.close();
});

const begin = async (rules: object, more: object = {}) => {
  const { status, body } = await t.api<Backtest>('POST', '/v1/policies/backtest', { rules, ...more });
  expect(status).toBe(202);
  return body.backtest_id;
};
const read = async (id: string) => (await t.api<Backtest>('GET', `/v1/policies/backtests/${id}`)).body;
const completed = (id: string, withinMs = 30_000) =>
  eventually(
    () => read(id),
    ({ status }) => status !== 'queued' && status !== 'running',
    withinMs,
  );
const workflowOf = (id: string) => temporal.workflow.getHandle(backtestWorkflowId(tenant, parseId(id, 'bkt')!));
const detailsOf = async (id: string) =>
  (await workflowOf(id).query<{ currentDetails?: string }>('__temporal_workflow_metadata')).currentDetails ?? '';

describe('a backtest', () => {
  it('tells of what happened what a policy would have made of it', async () => {
    const { policy_id } = (
      await t.api<{ policy_id: string }>('POST', '/v1/policies', { name: 'now', rules: {}, activate: true })
    ).body;
    const refused = (await t.propose(cast, { amount: 20, currency: 'CHF' })).body;
    expect(refused.decision).toBe('deny');
    const captured = await t.paid({ amount: 120 });
    await t.operate('capture', captured);
    const refunded = await t.paid({ amount: 250 });
    await t.operate('capture', refunded);
    await t.operate('refund', refunded, { amount: 10 });
    await t.approved(cast, { amount: 30 });
    const session = { session_id: 'sess', device_id: 'd-1' };
    await t.approved(cast, { amount: 31, context: session });

    const cel = [
      { name: 'device', when: 'context.device_id == "d-1"', effect: 'review', message: 'That device' },
      { name: 'large', when: 'intent.amount_minor > 10000', effect: 'deny', message: 'Large' },
    ];
    const draft = (await t.api<{ policy_id: string }>('POST', '/v1/policies', { name: 'next', rules: { cel } })).body;
    const asked = await t.api<Backtest>('POST', `/v1/policies/${draft.policy_id}/backtest`, { bad: ['refunded'] });
    expect(asked.status).toBe(202);
    const { result, plot_url, progress } = await completed(asked.body.backtest_id);
    expect(progress).toEqual({ done: 5, total: 5, percent: 100 });
    // Denied whatever a policy says; two denied for their size, one reviewed, and one says nothing of its device.
    expect(result).toMatchObject({ decisions: 5, changed: 3, stricter: 3, unjudged: 1 });
    expect(result!.matrix).toMatchObject({
      approved: { approved: 0, review: 1, deny: 2, unjudged: 1 },
      deny: { deny: 1 },
    });
    expect(result!.directions).toMatchObject([
      { from: 'approved', to: 'deny', decisions: 2, amounts: [{ currency: 'EUR', amount: 370, amount_minor: 37_000 }] },
      { from: 'approved', to: 'review', decisions: 1 },
    ]);
    expect(result!.confusion.candidate).toMatchObject({ bad_stopped: 1, good_stopped: 1, precision: 0.5 });
    expect(result!.examples.map(({ to, truth }) => `${to} ${truth}`).sort()).toEqual([
      'deny captured',
      'deny refunded',
      'review unknown',
      'unjudged unknown',
    ]);
    const example = result!.examples.find(({ truth }) => truth === 'refunded')!;
    expect(parseId(example.execution_ref, 'exec')).toBe(parseId(refunded.payment_id, 'pay'));
    expect(example.explanation.map(({ rule }) => rule)).toContain('large');
    expect(result!.decided_by).toEqual([{ policy_id, decisions: 5 }]);
    const path = new URL(plot_url!).pathname;
    const plot = await t.api<string>('GET', path);
    expect(plot.status).toBe(200);
    expect(plot.body).toMatch(/^<svg [^]*<\/svg>$/);
    expect(await detailsOf(asked.body.backtest_id)).toMatch(/next, version 1: completed[^]*100 % — 5 of 5/);
  });

  it('goes on, tells how far it is, and is cancelled where it stands', async () => {
    const { execution_ref } = await t.approved(cast, { amount: 40 });
    const template = parseId(execution_ref, 'exec')!;
    await copyDecisions(t.database.pool, template, { count: 60_000, everyMs: 50, before: new Date() });
    const rules = { velocity: { window: '1h', max: 100 }, unknown_payee: 'review' };
    const first = await begin(rules);
    const running = await eventually(
      () => read(first),
      ({ progress }) => progress.total !== null,
    );
    expect(running.progress.total).toBeGreaterThan(60_000);
    // One process judges for one at a time: the second waits for its turn, or has just begun.
    const second = await begin(rules);
    const { status, body } = await t.api<Backtest>('POST', `/v1/policies/backtests/${second}/cancel`);
    expect([status, body.status]).toEqual([200, 'cancelled']);
    expect(await workflowOf(second).result()).toMatchObject({ status: 'cancelled' });
    expect((await completed(first, 60_000)).result).toMatchObject({ decisions: running.progress.total });
  }, 90_000);

  it('is ended by whoever cancels its workflow in Temporal', async () => {
    const id = await begin({ velocity: { window: '1d', max: 3 } });
    await eventually(
      () => read(id),
      ({ status }) => status === 'running',
    );
    await workflowOf(id).cancel();
    await expect(workflowOf(id).result()).rejects.toThrow();
    expect((await read(id)).status).toBe('cancelled');
  }, 60_000);

  it('whose start was lost is started by a worker', async () => {
    const id = newId();
    await insertBacktest(t.database.pool, tenant, {
      id,
      policyId: null,
      rules: { max_amount: 1 },
      againstActive: true,
      from: new Date(0),
      to: new Date(),
      share: 0.01,
      sampleSize: null,
      seed: 'x',
      bad: ['disputed'],
      actor: 'test',
      at: new Date(Date.now() - 5_000),
    });
    const { result } = await completed(id, 60_000);
    expect(result!.decisions).toBeGreaterThan(0);
  }, 90_000);
});
