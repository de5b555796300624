import { parseId } from '../../domain/ids.ts';
import { isBalanced } from '../../domain/ledger.ts';
import { assertCounters, CounterError } from '../../domain/payment.ts';
import type { Evidence, LedgerRow } from './evidence.ts';

/** One invariant: what was looked at, and every way in which it does not hold. */
export interface Check {
  name: string;
  ok: boolean;
  figures: string;
  faults: string[];
}

/** Everything that must hold once no outcome is open any more. Pure: tests show each one failing on bad evidence. */
export function checkInvariants(evidence: Evidence): Check[] {
  return [
    entriesBalance(evidence),
    ledgerMatchesCounters(evidence),
    countersMatchEffects(evidence),
    countersWithinLimits(evidence),
    oneEffectPerOperation(evidence),
    oneLiveAuthorization(evidence),
    followUpsAtTheirAccount(evidence),
    auditChainHolds(evidence),
  ];
}

export function entriesBalance({ ledger, ledgerTotals }: Evidence): Check {
  const entries = groupBy(ledger, (row) => row.entry_id);
  const unbalanced = [...entries].filter(([, rows]) => !isBalanced(rows.map(lineOf))).map(([id]) => id);
  const off = ledgerTotals.filter((total) => total.amount_minor !== 0);
  const lines = ledgerTotals.reduce((sum, total) => sum + total.lines, 0);
  return check(
    'every ledger entry, and each currency of the whole ledger, sums to zero',
    `${entries.size} entries of this run, ${lines} lines in all`,
    [
      ...unbalanced.map((id) => `entry ${id} does not sum to zero`),
      ...off.map(({ currency, amount_minor }) => `${currency} is off by ${amount_minor} minor units`),
      ...(entries.size === 0 ? ['there are no entries at all'] : []),
    ],
  );
}

/** Balances of each payment's own entries against its counters. */
export function ledgerMatchesCounters({ payments, ledger }: Evidence): Check {
  const faults = payments.flatMap(({ payment }) => {
    const { authorized, captured, released, refunded, dispute_held, dispute_lost } = payment.counters;
    const own = ledger.filter((row) => row.payment_id === parseId(payment.payment_id, 'pay'));
    const held = authorized - captured - released;
    return [
      differs('held', balance(own, /^authorized:/), held),
      differs('held, other side', balance(own, /^authorized_offset$/), -held),
      differs('sales', balance(own, /^sales$/), -captured),
      differs('refunds', balance(own, /^refunds$/), refunded),
      differs('disputed', balance(own, /^disputed:/), dispute_held),
      differs('lost in disputes', balance(own, /^dispute_losses$/), dispute_lost),
      // What processors owe, paid out, kept or withhold, whatever settlement has moved between them.
      differs(
        'assets and fees',
        balance(own, /^(receivable:.*|bank|fees:.*|disputed:.*|dispute_losses|settlement_differences)$/),
        captured - refunded,
      ),
    ].flatMap((fault) => (fault ? [`${payment.payment_id}: ${fault}`] : []));
  });
  return check('balances of the ledger = counters of the payments', `${payments.length} payments`, faults);
}

/** Our books against what the processors really did. */
export function countersMatchEffects({ payments }: Evidence): Check {
  const faults = payments.flatMap(({ payment, summary }) => {
    const { authorized, captured, released, refunded } = payment.counters;
    const disputed = payment.counters.dispute_held + payment.counters.dispute_lost;
    const foreign = summary.currencies.filter((currency) => currency !== payment.currency);
    const letGo = summary.void.amount_minor + summary.expire.amount_minor + summary.released_minor;
    return [
      differs(
        'authorized',
        authorized - (payment.overcaptured ?? 0),
        summary.authorize.amount_minor + summary.increment.amount_minor,
      ),
      differs('captured', captured, summary.capture.amount_minor),
      differs('released', released, letGo),
      differs('refunded', refunded, summary.refund.amount_minor - summary.refund_return.amount_minor),
      differs('withheld for disputes', disputed, summary.dispute.amount_minor - summary.dispute_return.amount_minor),
      foreign.length > 0 ? `effects in ${foreign.join(', ')}` : undefined,
    ].flatMap((fault) => (fault ? [`${payment.payment_id}: ${fault}`] : []));
  });
  const effects = payments.reduce((sum, one) => sum + one.effects.length, 0);
  return check(
    'counters of the payments = effects at the processors',
    `${payments.length} payments, ${effects} effects`,
    faults,
  );
}

/** No counter negative, no limit exceeded, nothing left reserved. */
export function countersWithinLimits({ payments }: Evidence): Check {
  const faults = payments.flatMap(({ payment }) => {
    const { payment_id, counters, overcaptured = 0, increment_pending = 0 } = payment;
    const reserved = counters.capture_pending + counters.refund_pending + increment_pending;
    const beyond = overcaptured < 0 || overcaptured > counters.captured;
    return [
      brokenLimit(counters),
      reserved > 0 ? `${reserved} minor units are still reserved` : undefined,
      beyond ? `${overcaptured} of ${counters.captured} captured minor units were beyond the hold` : undefined,
    ].flatMap((fault) => (fault ? [`${payment_id}: ${fault}`] : []));
  });
  return check('counters are within their limits, and nothing is left reserved', `${payments.length} payments`, faults);
}

export function oneEffectPerOperation({ payments }: Evidence): Check {
  const all = payments.flatMap(({ effects }) => effects.filter((effect) => effect.operation_id !== null));
  const groups = groupBy(all, ({ type, operation_id }) => `${type} of operation ${operation_id}`);
  const repeated = [...groups].filter(([, same]) => same.length > 1);
  return check(
    'at most one effect per operation and type',
    `${groups.size} operations, ${all.length} effects`,
    repeated.map(([name, same]) => `${same.length} effects: ${name}`),
  );
}

/** Over all processors. A failover after an unknown outcome would show here. */
export function oneLiveAuthorization({ payments }: Evidence): Check {
  const faults = payments.flatMap(({ payment: { payment_id, operations }, summary }) => [
    // One for the approval, and each that renewed a hold.
    ...(summary.authorize.count > 1 + operations.filter(isRenewal).length
      ? [`${payment_id}: authorized ${summary.authorize.count} times`]
      : []),
    ...(summary.open_holds.count > 1 ? [`${payment_id}: ${summary.open_holds.count} open holds`] : []),
  ]);
  const made = payments.reduce((sum, one) => sum + one.summary.authorize.count, 0);
  return check(
    'at most one authorization per payment, over all processors',
    `${payments.length} payments, ${made} authorizations`,
    faults,
  );
}

/** Whatever follows an authorization goes to the account that granted it. */
export function followUpsAtTheirAccount({ payments }: Evidence): Check {
  const accountOf = ({ processor, mid }: Evidence['payments'][number]['effects'][number]) => `${processor}/${mid}`;
  const strays = payments.flatMap(({ payment, effects }) => {
    const granted = effects.filter(({ type }) => type === 'authorize').map(accountOf);
    const elsewhere = effects.filter((effect) => !granted.includes(accountOf(effect)));
    return elsewhere.map((effect) => `${payment.payment_id}: ${effect.type} at ${accountOf(effect)}`);
  });
  const followUps = payments.flatMap(({ effects }) => effects.filter(({ type }) => type !== 'authorize'));
  return check('what follows an authorization happens at its account', `${followUps.length} effects`, strays);
}

export function auditChainHolds({ audit: { valid, entries_checked, first_break } }: Evidence): Check {
  const broken = first_break ? [`broken at ${first_break.sequence}: ${first_break.reason}`] : [];
  const silent = valid || first_break ? [] : ['not valid'];
  const empty = entries_checked === 0 ? ['there are no entries at all'] : [];
  return check('the audit chain holds', `${entries_checked} entries recomputed`, [...broken, ...silent, ...empty]);
}

function isRenewal({ type, status, renews }: Evidence['payments'][number]['payment']['operations'][number]): boolean {
  return renews === true && type === 'authorize' && status === 'succeeded';
}

function check(name: string, figures: string, faults: string[]): Check {
  return { name, ok: faults.length === 0, figures, faults };
}

function groupBy<T>(items: T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) groups.set(keyOf(item), [...(groups.get(keyOf(item)) ?? []), item]);
  return groups;
}

function differs(what: string, ours: number, theirs: number): string | undefined {
  return ours === theirs ? undefined : `${what} ${ours}, should be ${theirs}`;
}

function balance(rows: LedgerRow[], account: RegExp): number {
  return rows.filter((row) => account.test(row.account)).reduce((sum, row) => sum + row.amount_minor, 0);
}

function lineOf({ account, amount_minor, currency }: LedgerRow) {
  return { account, amountMinor: amount_minor, currency };
}

function brokenLimit(counters: Parameters<typeof assertCounters>[0]): string | undefined {
  try {
    assertCounters(counters);
    return undefined;
  } catch (error) {
    if (error instanceof CounterError) return error.message;
    throw error;
  }
}
