import type { Pool } from 'pg';
import { type NotificationBody, SIGNATURE_HEADER, signNotification } from '../notification.ts';
import type { DisputeView } from '../dispute-wire.ts';
import type { SettlementView } from '../notification.ts';
import { adyenDisputeMessage } from './adyen/dispute.ts';
import { adyenMessage } from './adyen/message.ts';
import type { Endpoint } from './controls.ts';
import { findPayment, loadOperationRow, viewOf } from './operations.ts';
import { stripeDisputeMessage } from './stripe/dispute.ts';
import { stripeMessage } from './stripe/message.ts';

export interface Receiver {
  url: string;
  secret: string;
}

/** Who is told: one receiver of the plain format, and those of the processors with a format of their own. */
export interface Receivers {
  plain: Receiver | undefined;
  of(processor: string): Endpoint | undefined;
}

/** A notification as it travels. */
export interface Message {
  url: string;
  headers: Record<string, string>;
  body: string;
}

/** Waits between attempts, milliseconds; after the last one the notification is given up. */
const RETRY_AFTER_MS = [200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 40_000, 60_000, 60_000];
const ATTEMPT_TIMEOUT_MS = 5_000;
/** A claimed notification comes up again after this long if its process died; longer than an attempt takes. */
const LEASE_MS = 10_000;
const BATCH = 50;

interface DueNotification {
  event_id: string;
  copy: number;
  processor: string;
  mid: string | null;
  operation_id: string | null;
  settlement_id: string | null;
  /** As it was when it changed. */
  dispute: DisputeView | null;
  attempts: number;
}

/** Claims what is due and sends it, all at once: a slow receiver of one holds up no other. Answers how many. */
export async function deliverDue(pool: Pool, receivers: Receivers, signal: AbortSignal): Promise<number> {
  const { rows } = await pool.query<DueNotification>(
    `UPDATE simulator.notifications n
     SET attempts = attempts + 1, due_at = clock_timestamp() + $1 * interval '1 millisecond'
     FROM (SELECT event_id, copy FROM simulator.notifications WHERE state = 'due' AND due_at <= clock_timestamp()
           ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED) AS due
     WHERE n.event_id = due.event_id AND n.copy = due.copy RETURNING n.*`,
    [LEASE_MS, BATCH],
  );
  await Promise.all(rows.map((row) => deliver(pool, receivers, row, signal)));
  return rows.length;
}

async function deliver(pool: Pool, receivers: Receivers, due: DueNotification, signal: AbortSignal): Promise<void> {
  const message = await render(pool, receivers, due);
  // Nothing to tell any more: the money was reset in between, or nobody listens.
  const delivered = message === undefined || (await post(message, signal));
  const wait = RETRY_AFTER_MS[due.attempts - 1];
  await pool.query(
    `UPDATE simulator.notifications SET state = $3, due_at = clock_timestamp() + $4 * interval '1 millisecond'
     WHERE event_id = $1 AND copy = $2`,
    [due.event_id, due.copy, delivered ? 'delivered' : wait === undefined ? 'given_up' : 'due', wait ?? 0],
  );
}

async function post({ url, headers, body }: Message, signal: AbortSignal): Promise<boolean> {
  try {
    const answer = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body,
      redirect: 'manual',
      signal: AbortSignal.any([signal, AbortSignal.timeout(ATTEMPT_TIMEOUT_MS)]),
    });
    await answer.arrayBuffer();
    return answer.ok;
  } catch {
    return false;
  }
}

async function render(pool: Pool, receivers: Receivers, due: DueNotification): Promise<Message | undefined> {
  const endpoint = receivers.of(due.processor);
  if (endpoint && due.operation_id !== null) {
    const account = { processor: due.processor, mid: due.mid! };
    const row = await loadOperationRow(pool, { ...account, operationId: due.operation_id });
    const payment = row && (await findPayment(pool, { ...account, processorReference: row.processor_reference }));
    if (!row || !payment) return undefined;
    return (endpoint.wire === 'stripe' ? stripeMessage : adyenMessage)(endpoint, due.event_id, row, payment);
  }
  if (endpoint && due.dispute !== null) {
    const found = await pool.query<{ processor_reference: string }>(
      'SELECT processor_reference FROM simulator.disputes WHERE dispute_id = $1',
      [due.dispute.dispute_id],
    );
    const reference = found.rows[0]?.processor_reference;
    if (reference === undefined) return undefined;
    return endpoint.wire === 'stripe'
      ? stripeDisputeMessage(endpoint, due.event_id, due.dispute, reference)
      : adyenDisputeMessage(endpoint, { dispute: due.dispute, mid: due.mid!, processorReference: reference });
  }
  // Real processors settle by files.
  if (endpoint || !receivers.plain) return undefined;
  const body = await renderPlain(pool, due);
  if (!body) return undefined;
  const text = JSON.stringify(body);
  const { url, secret } = receivers.plain;
  const signature = signNotification(text, secret, Math.floor(Date.now() / 1000));
  return { url, headers: { [SIGNATURE_HEADER]: signature }, body: text };
}

async function renderPlain(pool: Pool, due: DueNotification): Promise<NotificationBody | undefined> {
  const head = { event_id: due.event_id, processor: due.processor };
  if (due.settlement_id !== null) {
    const { rows } = await pool.query<Omit<SettlementView, 'settled_at'> & { settled_at: Date }>(
      `SELECT settlement_id, processor, settled_at, lines FROM simulator.settlements WHERE settlement_id = $1`,
      [due.settlement_id],
    );
    const settlement = rows[0] && { ...rows[0], settled_at: rows[0].settled_at.toISOString() };
    return settlement && { ...head, type: 'settlement', settlement };
  }
  if (due.dispute !== null) return { ...head, mid: due.mid!, type: 'dispute', dispute: due.dispute };
  const key = { processor: due.processor, mid: due.mid!, operationId: due.operation_id! };
  const row = await loadOperationRow(pool, key);
  return row && { ...head, mid: key.mid, type: 'operation', operation: viewOf(row) };
}
