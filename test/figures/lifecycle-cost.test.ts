import { Client as PgClient } from 'pg';
import { Connection, Client, type WorkflowHandle } from '@temporalio/client';
import { temporal } from '@temporalio/proto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Decided, Payment } from '../../src/cli/demo/bodies.ts';
import { assembleCast, type Cast } from '../../src/cli/demo/cast.ts';
import { createClient } from '../../src/cli/demo/client.ts';
import { parseId } from '../../src/domain/ids.ts';
import { shared } from '../setup/harness/client.ts';
import { paymentNow } from '../trust/mandates/now.ts';
import { startTestService, type ApiAnswer, type TestService } from '../setup/service.ts';
import { countQueries } from './count-queries.ts';
import { countTemporalCalls } from './count-temporal-calls.ts';

const { EventType } = temporal.api.enums.v1;

/** What a payment may cost; why, stands in docs/decisions. */
const LIMITS = { workflowTasks: 4, localActivities: 5, events: 32, activities: 0 };
const ROUND_TRIPS = { authorize: 2, pay: 2, capture: 2 };

const queries = countQueries();
const temporalCalls = countTemporalCalls();
let service: TestService;
let cast: Cast;
let connection: Connection;
let client: Client;

beforeAll(async () => {
  service = await startTestService();
  cast = await assembleCast(createClient(service.url, service.credentials.api_key));
  const { address, namespace } = await shared('temporal');
  connection = await Connection.connect({ address });
  client = new Client({ connection, namespace });
  // Credentials are remembered, statements prepared, connections made.
  await lifecycle();
});
afterAll(async () => {
  await service.close();
  await connection.close();
  queries.stop();
  temporalCalls.stop();
});

const intent = { amount: 120, currency: 'EUR', merchant_ref: 'mrc_hotel', channel: 'chatpay' };
const context = { device_trust: 'verified', risk_signals: ['velocity_ok', 'geo_ok'] };
const who = () => ({ agent_id: cast.agent_id, principal_id: cast.principal_id });

async function call<Body>(expected: number, answer: Promise<ApiAnswer<Body>>): Promise<Body> {
  const { status, body } = await answer;
  expect({ status, body }).toMatchObject({ status: expected });
  return body;
}

const authorize = (under: object = {}) =>
  call(
    200,
    service.api<Decided>('POST', '/v1/execution/authorize', {
      ...who(),
      delegation_id: cast.everyday,
      intent,
      context,
      ...under,
    }),
  );

/** The last of a chain of so many levels below its root, each with a running total and hours, and its agent. */
async function deepDelegation(levels: number): Promise<{ delegation_id: string; agent_id: string }> {
  const expires_at = new Date(Date.now() + 3_600_000).toISOString();
  let parent_delegation_id: string | undefined;
  for (let level = 0; ; level++) {
    const { principal_id } = cast;
    const { data } = await call(
      201,
      service.api<{ data: { id: string } }>('POST', '/v1/agents', { name: `level ${level}`, principal_id }),
    );
    const made = await call(
      201,
      service.api<{ delegation_id: string; agent_id: string }>('POST', '/v1/identities/delegations', {
        principal_id,
        agent_id: data.id,
        parent_delegation_id,
        scope: {
          actions: ['payment.*'],
          currencies: ['EUR'],
          max_total: { amount: 1000, currency: 'EUR', window: '1d' },
          hours: [{ from: '00:00', to: '24:00', time_zone: 'Europe/Berlin' }],
          sub_delegation: { max_depth: 8 },
        },
        expires_at,
      }),
    );
    if (level === levels) return made;
    parent_delegation_id = made.delegation_id;
  }
}
const pay = ({ execution_token }: Decided) =>
  call(
    201,
    service.api<Payment>('POST', '/v1/payments/authorize', {
      execution_token,
      payment_method: { type: 'token', token: 'tok_approve' },
    }),
  );
const capture = ({ payment_id }: Payment) =>
  call(200, service.api<Payment>('POST', '/v1/payments/capture', { payment_id }));
const read = (path: string) => call(200, service.api('GET', path));

async function workflowOf(executionRef: string): Promise<WorkflowHandle> {
  const { rows } = await service.database.pool.query<{ workflow_id: string }>(
    'SELECT workflow_id FROM executions WHERE id = $1',
    [parseId(executionRef, 'exec')],
  );
  return client.workflow.getHandle(rows[0]!.workflow_id);
}

/** authorize → pay → capture → settled, and what the three requests sent to PostgreSQL. */
async function lifecycle() {
  const decided = await queries.during(authorize);
  const paid = await queries.during(() => pay(decided.result));
  const captured = await queries.during(() => capture(paid.result));
  await service.simulator('POST', '/control/settle', { reference: captured.result.payment_id });
  const handle = await workflowOf(decided.result.execution_ref);
  expect(await handle.result()).toEqual({ stage: 'settled' });
  return {
    handle,
    payment: captured.result,
    sent: { authorize: decided.sent, pay: paid.sent, capture: captured.sent },
  };
}

async function historyCost(handle: WorkflowHandle): Promise<typeof LIMITS & { story: string[] }> {
  const { events } = await handle.fetchHistory();
  const count = (type: temporal.api.enums.v1.EventType) => events!.filter((event) => event.eventType === type).length;
  return {
    workflowTasks: count(EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED),
    localActivities: count(EventType.EVENT_TYPE_MARKER_RECORDED),
    events: events!.length,
    activities: count(EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED),
    story: events!.map((event) => EventType[event.eventType!].replace('EVENT_TYPE_', '').toLowerCase()),
  };
}

/** Which of the limits a history exceeds. */
function exceeded(cost: typeof LIMITS): string[] {
  return (Object.keys(LIMITS) as (keyof typeof LIMITS)[]).filter((name) => cost[name] > LIMITS[name]);
}

describe('authorize, pay, capture, settled', () => {
  it('costs Temporal no more than it may', async () => {
    const { handle } = await lifecycle();
    const cost = await historyCost(handle);
    // The story is for whoever must find out what has become more.
    expect({ exceeded: exceeded(cost), story: cost.story }).toEqual({ exceeded: [], story: cost.story });
  });

  it('is more with a failover and a second capture, and that is noticed', async () => {
    const decided = await authorize();
    const payment = await call(
      201,
      service.api<Payment>('POST', '/v1/payments/authorize', {
        execution_token: decided.execution_token,
        payment_method: { type: 'token', token: 'tok_unavailable_once@alpha' },
      }),
    );
    await call(200, service.api('POST', '/v1/payments/capture', { payment_id: payment.payment_id, amount: 20 }));
    await capture(payment);
    // The answer is given before the engine has recorded the step.
    const handle = await workflowOf(decided.execution_ref);
    await expect.poll(async () => exceeded(await historyCost(handle))).toContain('localActivities');
  });

  it('costs PostgreSQL two round trips for each answer', async () => {
    const { sent } = await lifecycle();
    const figures = Object.fromEntries(Object.entries(sent).map(([step, names]) => [step, names.length]));
    expect({ figures, sent }).toEqual({ figures: ROUND_TRIPS, sent });
  });

  it('costs no more under a chain of eight levels, with a cap on what may be open', async () => {
    const { delegation_id, agent_id } = await deepDelegation(8);
    await call(
      200,
      service.api('PUT', '/v1/identities/exposure/caps', { agent_id, caps: [{ amount: 120, currency: 'EUR' }] }),
    );
    // Making the chain may take longer than a credential is remembered, which is another matter.
    const during = async <T>(work: () => Promise<T>) => {
      const { result, sent } = await queries.during(work);
      return { result, sent: sent.filter((name) => name !== 'find-live-api-key') };
    };
    const decided = await during(() => authorize({ delegation_id, agent_id }));
    expect(decided.result).toMatchObject({ decision: 'approved', reasons: [] });
    expect(decided.sent).toEqual(['gather-context', 'commit-decision']);
    const { rows } = await service.database.pool.query<{ n: number }>(
      'SELECT jsonb_array_length(budget_charges) AS n FROM executions WHERE id = $1',
      [parseId(decided.result.execution_ref, 'exec')],
    );
    expect(rows[0]!.n).toBe(9);
    const beyond = await during(() => authorize({ delegation_id, agent_id }));
    expect(beyond.result).toMatchObject({ decision: 'deny', reasons: [{}, { code: 'exposure_exceeded' }] });
    expect(beyond.sent).toHaveLength(ROUND_TRIPS.authorize);
    const paid = await during(() => pay(decided.result));
    expect(paid.sent).toHaveLength(ROUND_TRIPS.pay);
    // What is given back goes with the outcome, in the same round trip.
    const voided = await during(() =>
      call(200, service.api('POST', '/v1/payments/void', { payment_id: paid.result.payment_id })),
    );
    expect(voided.sent).toHaveLength(ROUND_TRIPS.capture);
    const after = await call(
      200,
      service.api<{ remaining: object }>('GET', `/v1/identities/delegations/${delegation_id}`),
    );
    expect(after.remaining).toMatchObject({ amount: 1000 });
  });

  it('costs one more when the amount of a capture must be read in its currency', async () => {
    const payment = await pay(await authorize());
    const { sent } = await queries.during(() =>
      call(200, service.api('POST', '/v1/payments/capture', { payment_id: payment.payment_id, amount: 20 })),
    );
    expect(sent).toHaveLength(ROUND_TRIPS.capture + 1);
  });
});

describe('assessing', () => {
  const mandate = (transaction_id: string) => ({
    vct: 'mandate.payment.1',
    transaction_id,
    payee: { id: 'mrc_hotel', name: 'Hotel' },
    payment_amount: { amount: 12_000, currency: 'EUR' },
    payment_instrument: { id: 'pi', type: 'card' },
  });
  const assess = (id: string) =>
    call(200, service.api('POST', '/v1/assess', { mandate: mandate(id), agent_id: cast.agent_id }));

  it('costs PostgreSQL three round trips, the same mandate again one, and Temporal nothing', async () => {
    await assess('warm');
    const { calls } = await temporalCalls.during(async () => {
      const { sent } = await queries.during(() => assess('first'));
      expect(sent).toEqual(['identify-presented', 'gather-context', 'commit-assessment']);
      expect((await queries.during(() => assess('first'))).sent).toEqual(['identify-presented']);
    });
    expect(calls).toEqual([]);
  });
});

describe('an intent under a mandate', () => {
  it('costs no more round trips than one without', async () => {
    const payee = { id: 'mrc_hotel', name: 'Hotel' };
    const made = paymentNow({ amount: 12_000, currency: 'EUR', payee });
    const under = { mandate: made.mandate(made.token), verification: made.verification };
    const { result, sent } = await queries.during(() => authorize(under));
    expect(result.reasons).toEqual([]);
    expect(sent).toEqual(['gather-context', 'commit-decision']);
  });
});

describe('reading', () => {
  it('costs one round trip for a payment, and one for an execution', async () => {
    const { payment } = await lifecycle();
    for (const path of [`/v1/payments/${payment.payment_id}`, `/v1/executions/${payment.execution_ref}`]) {
      const { sent } = await queries.during(() => read(path));
      expect({ path, sent }).toEqual({ path, sent: [expect.any(String)] });
    }
  });
});

describe('asking what would be decided', () => {
  it('asks nothing of Temporal', async () => {
    const decided = await temporalCalls.during(authorize);
    expect(decided.calls).toEqual(['StartWorkflowExecution']);
    const { execution_token } = decided.result;
    const asked = await temporalCalls.during(async () => {
      await call(200, service.api('POST', '/v1/execution/evaluate-risk', { ...who(), intent, context }));
      await call(200, service.api('POST', '/v1/execution/policies/simulate', { ...who(), intent, context }));
      await call(200, service.api('POST', '/v1/payments/route', { execution_token }));
    });
    expect(asked.calls).toEqual([]);
  });
});

describe('the count of round trips', () => {
  it('agrees with what the database has counted', async () => {
    const admin = new PgClient({ connectionString: service.database.url });
    await admin.connect();
    // A backend reports what it counted when it ends.
    await admin.query(
      'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
    );
    const { transactions, connections } = queries.totals(new URL(service.database.url).pathname.slice(1));
    const counted = async () => {
      const { rows } = await admin.query<{ ended: string }>(
        'SELECT xact_commit + xact_rollback AS ended FROM pg_stat_database WHERE datname = current_database()',
      );
      return Number(rows[0]!.ended);
    };
    await expect.poll(counted, { timeout: 5_000 }).toBeGreaterThanOrEqual(transactions);
    // Beside the statements: one for each connection made, and the server's own housekeeping.
    expect((await counted()) - transactions).toBeLessThan(connections + 40);
    await admin.end();
  });
});
