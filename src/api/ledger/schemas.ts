import { z } from 'zod';
import { accountOf, standingOf } from '../../domain/ledger.ts';
import { toTypeId } from '../../domain/ids.ts';
import type { AccountBalanceRow } from '../../store/ledger/accounts.ts';
import type { EntryRow } from '../../store/ledger/entries.ts';
import { timeOut, typeId } from '../schemas.ts';

const minor = z.int().meta({ description: 'Minor units; debit above zero, credit below', example: 12_000 });
const name = z.string().meta({ description: 'Name in the journal', example: 'sales' });
export const KINDS = ['memo', 'asset', 'income', 'expense', 'other'] as const;

const described = {
  account: name,
  kind: z.enum(KINDS),
  meaning: z.string(),
  mid: typeId('mid').optional(),
};

export const LedgerAccount = z
  .object({
    account_id: typeId('lac'),
    ...described,
    currency: z.string(),
    posted_minor: minor,
    pending: z.object({ debits_minor: z.int(), credits_minor: z.int() }),
    available_minor: minor,
    debits_minor: z.int(),
    credits_minor: z.int(),
    lines: z.int(),
    opened_at: timeOut,
  })
  .meta({ id: 'LedgerAccount' });

export const LedgerEntry = z
  .object({
    entry_id: typeId('len'),
    kind: z.string().meta({ example: 'captured' }),
    at: timeOut,
    payment_id: typeId('pay').nullable(),
    operation_id: typeId('op').nullable(),
    lines: z.array(z.object({ account: name, amount_minor: minor, currency: z.string() })),
  })
  .meta({ id: 'LedgerEntry' });

export const TrialBalance = z
  .object({
    as_of: timeOut,
    balanced: z.boolean().meta({ description: 'Debits equal credits in every currency' }),
    currencies: z.array(z.object({ currency: z.string(), debits_minor: z.int(), credits_minor: z.int() })),
    accounts: z.array(
      z.object({
        account_id: typeId('lac'),
        ...described,
        currency: z.string(),
        debits_minor: z.int(),
        credits_minor: z.int(),
        balance_minor: minor,
      }),
    ),
  })
  .meta({ id: 'TrialBalance' });

/** What the chart says of an account. */
export function describeAccount(account: string) {
  const { kind = 'other' as const, meaning = '', mid } = accountOf(account) ?? {};
  return { account, kind, meaning, ...(mid !== undefined && { mid: toTypeId('mid', mid) }) };
}

export function printAccount(row: AccountBalanceRow) {
  const { postedMinor, pending, availableMinor } = standingOf(row);
  return {
    account_id: toTypeId('lac', row.id),
    ...describeAccount(row.account),
    currency: row.currency,
    posted_minor: postedMinor,
    pending: { debits_minor: pending.debitsMinor, credits_minor: pending.creditsMinor },
    available_minor: availableMinor,
    debits_minor: row.debitMinor,
    credits_minor: row.creditMinor,
    lines: row.lines,
    opened_at: row.openedAt.toISOString(),
  };
}

export function printEntry({ id, kind, at, paymentId, operationId, lines }: EntryRow) {
  return {
    entry_id: toTypeId('len', id),
    kind,
    at: at.toISOString(),
    payment_id: paymentId && toTypeId('pay', paymentId),
    operation_id: operationId && toTypeId('op', operationId),
    lines,
  };
}
