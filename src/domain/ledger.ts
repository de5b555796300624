/**
 * Double entry. An entry is the list of lines of one event and sums to zero per currency; entries are only ever
 * appended, a correction is a new entry. Debit is positive, credit negative, in minor units.
 */
export interface LedgerLine {
  account: string;
  amountMinor: number;
  currency: string;
}

interface AccountKind {
  kind: 'memo' | 'asset' | 'income' | 'expense';
  meaning: string;
}

/** Chart of accounts. `{mid}` stands for the id of the MID: what each processor owes can be read off its own account. */
export const CHART_OF_ACCOUNTS = {
  'authorized:{mid}': { kind: 'memo', meaning: 'Holds granted at the processor: a pending transfer, not yet money.' },
  authorized_offset: { kind: 'memo', meaning: 'Other side of the holds.' },
  'receivable:{mid}': { kind: 'asset', meaning: 'Captured, not yet paid out by the processor.' },
  bank: { kind: 'asset', meaning: 'Paid out.' },
  'disputed:{mid}': { kind: 'asset', meaning: 'Withheld by the processor for open disputes.' },
  sales: { kind: 'income', meaning: 'Captured, gross.' },
  refunds: { kind: 'expense', meaning: 'Given back, gross.' },
  'fees:{mid}': { kind: 'expense', meaning: 'Kept by the processor.' },
  settlement_differences: { kind: 'expense', meaning: 'Paid out under (or over) what was captured, written off.' },
  dispute_losses: { kind: 'expense', meaning: 'Disputes lost.' },
} as const satisfies Record<string, AccountKind>;
type AccountTemplate = keyof typeof CHART_OF_ACCOUNTS;

/** What an account is by its name in the journal (`receivable:` and the id of a MID), or undefined outside the chart. */
export function accountOf(name: string): (AccountKind & { mid?: string }) | undefined {
  const [base, mid] = name.split(':', 2);
  const template = mid === undefined ? name : `${base}:{mid}`;
  if (!Object.hasOwn(CHART_OF_ACCOUNTS, template)) return undefined;
  return { ...CHART_OF_ACCOUNTS[template as AccountTemplate], ...(mid !== undefined && { mid }) };
}

interface Money {
  /** Id of the MID that authorized. */
  mid: string;
  /** Gross, ≥ 0. */
  amountMinor: number;
  currency: string;
}

export type LedgerEvent = Money &
  (
    | { type: 'authorized' }
    /** Captured beyond the hold: what the capture takes off the memo was never put there by a grant. */
    | { type: 'overcaptured' }
    | { type: 'captured' }
    /** Void, expiry, or the rest after a final capture. */
    | { type: 'released' }
    | { type: 'refunded' }
    /** A refund came back from the bank. */
    | { type: 'refund_reversed' }
    /** One settlement line; `feeMinor` is what was kept from it and may be negative (a rebate). */
    | { type: 'settled'; feeMinor: number; of?: 'capture' | 'refund' }
    /** A person has written off what a settlement line was short of, or had too much. */
    | { type: 'short_paid' }
    | { type: 'over_paid' }
    | { type: 'dispute_opened' }
    | { type: 'dispute_won' }
    | { type: 'dispute_lost' }
  );

type Rule = (amount: number, fee: number) => [debit: AccountTemplate, credit: AccountTemplate, amountMinor: number][];

/** Each event as transfers from the credited to the debited account: whatever they are, the sum is zero. */
const RULES: Readonly<Record<LedgerEvent['type'], Rule>> = {
  authorized: (amount) => [['authorized:{mid}', 'authorized_offset', amount]],
  overcaptured: (amount) => [['authorized:{mid}', 'authorized_offset', amount]],
  captured: (amount) => [
    ['authorized_offset', 'authorized:{mid}', amount],
    ['receivable:{mid}', 'sales', amount],
  ],
  released: (amount) => [['authorized_offset', 'authorized:{mid}', amount]],
  refunded: (amount) => [['refunds', 'receivable:{mid}', amount]],
  refund_reversed: (amount) => [['receivable:{mid}', 'refunds', amount]],
  settled: (amount, fee) => [
    ['bank', 'receivable:{mid}', amount],
    ['fees:{mid}', 'bank', fee],
  ],
  short_paid: (amount) => [['settlement_differences', 'receivable:{mid}', amount]],
  over_paid: (amount) => [['receivable:{mid}', 'settlement_differences', amount]],
  dispute_opened: (amount) => [['disputed:{mid}', 'receivable:{mid}', amount]],
  dispute_won: (amount) => [['receivable:{mid}', 'disputed:{mid}', amount]],
  dispute_lost: (amount) => [['dispute_losses', 'disputed:{mid}', amount]],
};

/**
 * The lines of one event, at most one per account, none of them zero; an event of zero has no lines.
 * @throws RangeError for an amount that is not a safe integer ≥ 0, or a fee that is not a safe integer
 */
export function postings(event: LedgerEvent): LedgerLine[] {
  const { type, mid, amountMinor, currency } = event;
  const fee = event.type === 'settled' ? event.feeMinor : 0;
  if (!Number.isSafeInteger(amountMinor) || amountMinor < 0) throw new RangeError('not a whole amount to post');
  if (!Number.isSafeInteger(fee) || !Number.isSafeInteger(amountMinor - fee)) throw new RangeError('not a whole fee');
  const sign = event.type === 'settled' && event.of === 'refund' ? -1 : 1;
  const sums = new Map<string, number>();
  for (const [debit, credit, amount] of RULES[type](sign * amountMinor, fee)) {
    add(
      sums,
      debit.replace('{mid}', () => mid),
      amount,
    );
    add(
      sums,
      credit.replace('{mid}', () => mid),
      -amount,
    );
  }
  return [...sums].filter(([, sum]) => sum !== 0).map(([account, sum]) => ({ account, amountMinor: sum, currency }));
}

function add(sums: Map<string, number>, account: string, amount: number): void {
  sums.set(account, (sums.get(account) ?? 0) + amount);
}

export interface Balance {
  account: string;
  currency: string;
  /** A bigint: sums over many entries may leave the safe integers. */
  amountMinor: bigint;
}

/** Sum per account and currency, in order of account, then currency; what cancelled out is listed with zero. */
export function balances(lines: Iterable<LedgerLine>): Balance[] {
  const sums = new Map<string, Balance>();
  for (const { account, currency, amountMinor } of lines) {
    const key = `${account}\n${currency}`;
    const sum = sums.get(key)?.amountMinor ?? 0n;
    sums.set(key, { account, currency, amountMinor: sum + BigInt(amountMinor) });
  }
  return [...sums.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, balance]) => balance);
}

/** Whether the lines sum to zero in every currency. */
export function isBalanced(lines: Iterable<LedgerLine>): boolean {
  const perCurrency = balances([...lines].map((line) => ({ ...line, account: '' })));
  return perCurrency.every((balance) => balance.amountMinor === 0n);
}

/** What the journal and the open reservations say of one account, minor units. */
export interface AccountSums {
  account: string;
  debitMinor: number;
  creditMinor: number;
  /** Open holds at the MID of a receivable, or of all MIDs for the sales they would become. */
  holdsMinor: number;
  /** Refunds that are reserved and not yet given. */
  refundsPendingMinor: number;
}

export interface Standing {
  /** Debits less credits of what has happened. */
  postedMinor: number;
  /** What is under way, and would be posted if all of it succeeded. */
  pending: { debitsMinor: number; creditsMinor: number };
  /** Of an asset: posted less what is reserved to leave it. What is expected to come is not counted on. */
  availableMinor: number;
}

/**
 * Posted, pending and available. A hold is a transfer under way: the memo accounts that carry it have nothing posted,
 * and the receivable and the sales it would become show it as pending.
 */
export function standingOf({
  account,
  debitMinor,
  creditMinor,
  holdsMinor,
  refundsPendingMinor,
}: AccountSums): Standing {
  const own = debitMinor - creditMinor;
  const standing = (posted: number, debitsMinor: number, creditsMinor: number, reserved = 0): Standing => ({
    postedMinor: posted,
    pending: { debitsMinor, creditsMinor },
    availableMinor: posted - reserved,
  });
  if (accountOf(account)?.kind === 'memo') return standing(0, Math.max(own, 0), Math.max(-own, 0));
  if (account.startsWith('receivable:')) return standing(own, holdsMinor, refundsPendingMinor, refundsPendingMinor);
  if (account === 'sales') return standing(own, 0, holdsMinor);
  if (account === 'refunds') return standing(own, refundsPendingMinor, 0);
  return standing(own, 0, 0);
}
