import { Client, Connection } from '@temporalio/client';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { parseId } from '../../src/domain/ids.ts';
import { shared } from '../setup/harness/client.ts';
import { expectInvariants } from './invariants.ts';
import { eventually, startJourney, type Journey, type Payment } from './journey.ts';

let t: Journey;
let connection: Connection;
let client: Client;
beforeAll(async () => {
  t = await startJourney({ PROCESSOR_TIMEOUT_MS: '400' });
  const { address, namespace } = await shared('temporal');
  connection = await Connection.connect({ address });
  client = new Client({ connection, namespace });
});
afterEach(() => expectInvariants(t));
afterAll(async () => {
  await connection.close();
  await t.close();
});

const script = (fault: object) => t.simulator('POST', '/control/script', fault);
const silent = ({ payment_id: reference }: Payment) =>
  script({ fault: 'unavailable', operation: 'query', times: 5, reference });

/** Ends whatever follows the latest operation of a payment, as somebody may in the Temporal UI. */
async function terminate({ payment_id }: Payment): Promise<void> {
  const { rows } = await t.database.pool.query<{ id: string }>(
    `SELECT COALESCE(o.workflow_id, p.workflow_id) AS id FROM operations o JOIN payments p ON p.id = o.payment_id
      WHERE p.id = $1 ORDER BY o.sent_at DESC LIMIT 1`,
    [parseId(payment_id, 'pay')],
  );
  await client.workflow.getHandle(rows[0]!.id).terminate('by mistake');
}

async function effects({ payment_id }: Payment, type: string): Promise<number> {
  const { body } = await t.simulator<{ data: { type: string }[] }>('GET', `/control/effects?reference=${payment_id}`);
  return body.data.filter((effect) => effect.type === type).length;
}

async function outcomes({ payment_id }: Payment): Promise<string[]> {
  const found: string[] = [];
  const query = `WorkflowType = 'outcome' AND Payment = '${payment_id}'`;
  for await (const { status } of client.workflow.list({ query })) found.push(status.name);
  return found;
}

describe('an operation whose workflow was terminated while its outcome was open', () => {
  it('has its outcome found all the same, and what it was asked for is done once', async () => {
    const kinds = [
      ['capture', 'lost_answer'],
      ['capture', 'lost_request'],
      ['refund', 'lost_answer'],
    ] as const;
    const ends = kinds.map(async ([kind, fault]) => {
      const payment = await t.paid();
      if (kind === 'refund') await t.operate('capture', payment);
      await silent(payment);
      await script({ fault, operation: kind, times: 1, reference: payment.payment_id });
      expect((await t.operate(kind, payment)).status).toBe(202);
      await terminate(payment);
      const { counters } = await t.becomes(payment, (now) => now.counters[`${kind}_pending`] === 0, 40_000);
      expect(counters[kind === 'refund' ? 'refunded' : 'captured']).toBe(120_00);
      expect(await effects(payment, kind)).toBe(1);
      await eventually(
        () => outcomes(payment),
        (found) => found.join() === 'COMPLETED',
      );
    });
    await Promise.all(ends);
  }, 60_000);

  it('control: one whose lifecycle lives needs nobody else', async () => {
    const payment = await t.paid();
    await silent(payment);
    await script({ fault: 'lost_answer', operation: 'capture', times: 1, reference: payment.payment_id });
    expect((await t.operate('capture', payment)).status).toBe(202);
    await t.becomes(payment, ({ counters }) => counters.captured === 120_00);
    expect(await outcomes(payment)).toEqual([]);
  });
});
