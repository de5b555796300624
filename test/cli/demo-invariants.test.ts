import { describe, expect, it } from 'vitest';
import type { EffectSummary, Evidence } from '../../src/cli/demo/evidence.ts';
import { checkInvariants } from '../../src/cli/demo/invariants.ts';
import { toTypeId } from '../../src/domain/ids.ts';
import { postings, type LedgerEvent } from '../../src/domain/ledger.ts';
import { NO_COUNTERS } from '../../src/domain/payment.ts';

const PAYMENT = '01970000-0000-7000-8000-000000000001';
const BEYOND = '01970000-0000-7000-8000-000000000002';
const none = () => ({ count: 0, amount_minor: 0 });

const nothingDone = (): EffectSummary => ({
  authorize: none(),
  increment: none(),
  capture: none(),
  void: none(),
  refund: none(),
  expire: none(),
  dispute: none(),
  dispute_return: none(),
  refund_return: none(),
  released_minor: 0,
  currencies: ['EUR'],
  open_holds: none(),
});

/**
 * 200.00 authorized, raised by 40.00, 220.00 captured finally and settled, 50.00 refunded, of which 20.00 came back; and
 * 100.00 authorized, 110.00 captured.
 */
function goodEvidence(): Evidence {
  const money = { mid: 'mid_1', currency: 'EUR' };
  const events: LedgerEvent[] = [
    { ...money, type: 'authorized', amountMinor: 200_00 },
    { ...money, type: 'authorized', amountMinor: 40_00 },
    { ...money, type: 'captured', amountMinor: 220_00 },
    { ...money, type: 'released', amountMinor: 20_00 },
    { ...money, type: 'settled', amountMinor: 220_00, feeMinor: 2_20 },
    { ...money, type: 'refunded', amountMinor: 50_00 },
    { ...money, type: 'refund_reversed', amountMinor: 20_00 },
  ];
  const beyond: LedgerEvent[] = [
    { ...money, type: 'authorized', amountMinor: 100_00 },
    { ...money, type: 'overcaptured', amountMinor: 10_00 },
    { ...money, type: 'captured', amountMinor: 110_00 },
  ];
  const entries = [
    ...events.map((event) => ({ event, payment_id: PAYMENT })),
    ...beyond.map((event) => ({ event, payment_id: BEYOND })),
  ];
  const ledger = entries.flatMap(({ event, payment_id }, i) =>
    postings(event).map(({ account, amountMinor, currency }) => ({
      entry_id: `entry-${i}`,
      payment_id,
      account,
      amount_minor: amountMinor,
      currency,
    })),
  );
  const effect = { currency: 'EUR', processor: 'beta', mid: 'beta-demo', released_minor: 0 };
  return {
    payments: [
      {
        payment: {
          payment_id: toTypeId('pay', PAYMENT),
          execution_ref: toTypeId('exec', PAYMENT),
          status: 'captured',
          amount_minor: 240_00,
          currency: 'EUR',
          counters: {
            ...NO_COUNTERS,
            authorized: 240_00,
            captured: 220_00,
            released: 20_00,
            refunded: 30_00,
            settled: 220_00,
          },
          attempts: [],
          operations: [],
          reconciliation: { status: 'matched' },
        },
        effects: [
          { ...effect, type: 'authorize', amount_minor: 200_00, operation_id: 'op_1' },
          { ...effect, type: 'capture', amount_minor: 220_00, released_minor: 20_00, operation_id: 'op_2' },
          { ...effect, type: 'refund', amount_minor: 50_00, operation_id: 'op_3' },
          { ...effect, type: 'refund_return', amount_minor: 20_00, operation_id: 'op_3' },
          { ...effect, type: 'increment', amount_minor: 40_00, operation_id: 'op_4' },
        ],
        summary: {
          ...nothingDone(),
          authorize: { count: 1, amount_minor: 200_00 },
          increment: { count: 1, amount_minor: 40_00 },
          capture: { count: 1, amount_minor: 220_00 },
          refund: { count: 1, amount_minor: 50_00 },
          refund_return: { count: 1, amount_minor: 20_00 },
          released_minor: 20_00,
        },
      },
      {
        payment: {
          payment_id: toTypeId('pay', BEYOND),
          execution_ref: toTypeId('exec', BEYOND),
          status: 'captured',
          amount_minor: 100_00,
          currency: 'EUR',
          counters: { ...NO_COUNTERS, authorized: 110_00, captured: 110_00 },
          overcaptured: 10_00,
          attempts: [],
          operations: [],
          reconciliation: { status: 'expected' },
        },
        effects: [
          { ...effect, type: 'authorize', amount_minor: 100_00, operation_id: 'op_5' },
          { ...effect, type: 'capture', amount_minor: 110_00, operation_id: 'op_6' },
        ],
        summary: {
          ...nothingDone(),
          authorize: { count: 1, amount_minor: 100_00 },
          capture: { count: 1, amount_minor: 110_00 },
        },
      },
    ],
    ledger,
    ledgerTotals: [{ currency: 'EUR', lines: ledger.length, amount_minor: 0 }],
    audit: { valid: true, entries_checked: 12, first_break: null },
  };
}

const ZERO = 'every ledger entry, and each currency of the whole ledger, sums to zero';
const BALANCES = 'balances of the ledger = counters of the payments';
const EFFECTS = 'counters of the payments = effects at the processors';
const LIMITS = 'counters are within their limits, and nothing is left reserved';
const ONCE = 'at most one effect per operation and type';
const ONE_HOLD = 'at most one authorization per payment, over all processors';
const ACCOUNT = 'what follows an authorization happens at its account';
const CHAIN = 'the audit chain holds';

const only = (evidence: Evidence) => evidence.payments[0]!;

/** A name, how the evidence is spoilt, and the checks that must notice. */
const SPOILT: [string, (evidence: Evidence) => void, string[]][] = [
  ['a ledger line that was changed', (e) => void (e.ledger.at(-1)!.amount_minor += 1), [ZERO, BALANCES]],
  ['a currency of the ledger that is off', (e) => void (e.ledgerTotals[0]!.amount_minor = 1), [ZERO]],
  ['a ledger entry that is missing', (e) => void (e.ledger = e.ledger.slice(2)), [BALANCES]],
  [
    'a capture posted twice',
    (e) => void e.ledger.push(...e.ledger.filter((l) => l.entry_id === 'entry-1')),
    [BALANCES],
  ],
  ['no ledger at all', (e) => void (e.ledger = []), [ZERO, BALANCES]],
  ['a capture that we do not know of', (e) => void (only(e).summary.capture.amount_minor += 1), [EFFECTS]],
  ['a refund that never happened', (e) => void (only(e).summary.refund = none()), [EFFECTS]],
  ['an increment that we do not know of', (e) => void (only(e).summary.increment.amount_minor += 1), [EFFECTS]],
  ['an increment done twice', (e) => void only(e).effects.push(only(e).effects[4]!), [ONCE]],
  ['an increment at another account', (e) => void (only(e).effects[4]!.mid = 'beta-other'), [ACCOUNT]],
  ['an increment that is under way', (e) => void (only(e).payment.increment_pending = 1), [LIMITS]],
  ['a refund that came back unnoticed', (e) => void (only(e).payment.counters.refunded = 50_00), [BALANCES, EFFECTS]],
  ['a refund that came back here only', (e) => void (only(e).summary.refund_return = none()), [EFFECTS]],
  ['a capture beyond the hold taken for held', (e) => void delete e.payments[1]!.payment.overcaptured, [EFFECTS]],
  [
    'more beyond the hold than was captured',
    (e) => void (e.payments[1]!.payment.overcaptured = 111_00),
    [EFFECTS, LIMITS],
  ],
  ['a hold that was not let go', (e) => void (only(e).summary.released_minor = 0), [EFFECTS]],
  ['an effect in another currency', (e) => void only(e).summary.currencies.push('USD'), [EFFECTS]],
  ['an amount left reserved', (e) => void (only(e).payment.counters.refund_pending = 1), [LIMITS]],
  [
    'more refunded than captured',
    (e) => void (only(e).payment.counters.refunded = 221_00),
    [BALANCES, EFFECTS, LIMITS],
  ],
  ['an operation done twice', (e) => void only(e).effects.push(only(e).effects[1]!), [ONCE]],
  ['a capture at another processor', (e) => void (only(e).effects[1]!.processor = 'alpha'), [ACCOUNT]],
  ['a refund at another account', (e) => void (only(e).effects[2]!.mid = 'beta-other'), [ACCOUNT]],
  ['a second authorization', (e) => void (only(e).summary.authorize.count = 2), [ONE_HOLD]],
  ['a second open hold', (e) => void (only(e).summary.open_holds.count = 2), [ONE_HOLD]],
  [
    'a broken audit chain',
    (e) => void (e.audit = { valid: false, entries_checked: 12, first_break: { sequence: 7, reason: 'hash' } }),
    [CHAIN],
  ],
  ['an audit trail that is not valid', (e) => void (e.audit.valid = false), [CHAIN]],
  ['an empty audit trail', (e) => void (e.audit.entries_checked = 0), [CHAIN]],
];

describe('the invariants of the demo', () => {
  it('hold on good evidence', () => {
    expect(checkInvariants(goodEvidence()).filter((check) => !check.ok)).toEqual([]);
  });

  it.each(SPOILT)('notice %s', (_name, spoil, noticing) => {
    const evidence = goodEvidence();
    spoil(evidence);
    const failing = checkInvariants(evidence).filter((check) => !check.ok);
    expect(failing.map((check) => check.name)).toEqual(noticing);
    for (const { faults } of failing) expect(faults).not.toEqual([]);
  });

  it('are each shown to fail', () => {
    const noticed = new Set(SPOILT.flatMap(([, , names]) => names));
    expect([...noticed].sort()).toEqual(
      checkInvariants(goodEvidence())
        .map((check) => check.name)
        .sort(),
    );
  });

  it('accept an expiry beside another one: nobody asked for either', () => {
    const evidence = goodEvidence();
    const { effects } = only(evidence);
    effects.push(...[1, 2].map(() => ({ ...effects[0]!, type: 'expire' as const, operation_id: null })));
    expect(checkInvariants(evidence).find((check) => check.name === ONCE)?.ok).toBe(true);
  });
});
