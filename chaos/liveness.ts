import { found } from './findings.ts';
import { beforeAPerson, type Fault, type Finding, type Property, type World } from './world.ts';

/** What must come about once the faults are over. */
export const LIVENESS: readonly Property[] = [
  liveness('1 every unknown outcome is resolved, or waits for a person', outcomesKnown),
  liveness('2 every event reached the endpoint', eventsArrived),
  liveness('3 every reservation is released', nothingReserved),
  liveness('4 every capture is matched, or a flagged exception', capturesMatched),
  liveness('5 no open hold outlives its expiry', holdsEnd),
];

function liveness(name: string, check: (world: World) => Finding): Property {
  return { name, kind: 'liveness', check };
}

function outcomesKnown({ payments, operations }: World): Finding {
  const open = operations.filter(({ status }) => ['sent', 'pending', 'unknown'].includes(status));
  const under = payments.filter(({ phase }) => ['authorizing', 'auth_unknown', 'pending'].includes(phase));
  const review = operations.filter(({ status }) => status === 'needs_review').length;
  return found(`${operations.length} operations, ${review} of them before a person`, [
    ...open.map(({ name, type, status, payment_id }) => ({
      message: `${type} ${name} is still ${status}`,
      payment: payment_id,
    })),
    ...under.map(({ id, phase }) => ({ message: `is still ${phase}`, payment: id })),
  ]);
}

function eventsArrived({ owed, acknowledged, events }: World): Finding {
  const byId = new Map(events.map((event) => [event.id, event]));
  const twice = [...acknowledged.values()].filter((times) => times > 1).length;
  const missing = owed.filter((id) => !acknowledged.has(id));
  return found(
    `${owed.length} events owed, ${acknowledged.size} acknowledged, ${twice} of them more than once`,
    missing.map((id): Fault => {
      const { type, execution_id } = byId.get(id) ?? {};
      return { message: `event ${id} (${type}) never arrived`, ...(execution_id && { payment: execution_id }) };
    }),
  );
}

function nothingReserved({ payments, operations, wrongTotals, wrongHoldings }: World): Finding {
  const review = new Set(operations.filter(({ status }) => status === 'needs_review').map((one) => one.payment_id));
  const held = payments
    .filter(
      ({ id, counters, increment_pending }) =>
        counters.capture_pending + counters.refund_pending + increment_pending > 0 && !review.has(id),
    )
    .map(({ id }) => ({ message: 'an amount is still reserved', payment: id }));
  const totals = wrongTotals.map(({ id, spent, held: should }) => ({
    message: `delegation ${id} counts ${spent} as spent, its executions hold ${should}`,
  }));
  const holdings = wrongHoldings.map(({ id, held: is, should }) => ({
    message: `counts ${is} in running totals, should be ${should}`,
    payment: id,
  }));
  return found(`${payments.length} payments`, [...held, ...totals, ...holdings]);
}

function capturesMatched({ payments }: World): Finding {
  const captured = payments.filter(({ counters }) => counters.captured > 0);
  const loose = captured.filter(
    ({ counters, reconciliation_status, needs_attention }) =>
      counters.settled !== counters.captured && reconciliation_status === 'expected' && needs_attention === null,
  );
  return found(
    `${captured.length} captured payments`,
    loose.map(({ id, counters }) => ({
      message: `captured ${counters.captured}, settled ${counters.settled}, and nobody is told`,
      payment: id,
    })),
  );
}

function holdsEnd({ payments, operations, openHolds, now }: World): Finding {
  const asked = beforeAPerson(operations);
  const over = payments.filter(
    ({ authorization_expires_at: date, counters, phase }) =>
      phase === 'open' &&
      date !== null &&
      date < now &&
      counters.authorized - counters.captured - counters.released > 0,
  );
  const held = new Map(openHolds.map(({ reference, amount_minor }) => [reference, amount_minor]));
  const forgotten = payments.filter(
    ({ id, reference, counters }) =>
      held.has(reference) &&
      !asked.has(id) &&
      held.get(reference) !== counters.authorized - counters.captured - counters.released,
  );
  return found(`${openHolds.length} open holds`, [
    ...over.map(({ id }) => ({ message: 'is held past its expiry', payment: id })),
    ...forgotten.map(({ id, reference }) => ({
      message: `the processor holds ${held.get(reference)}, which our books do not`,
      payment: id,
    })),
  ]);
}
