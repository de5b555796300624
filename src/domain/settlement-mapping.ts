import type { LineField, ReadingRules } from './settlement-file.ts';

/** What the columns of a CSV file mean. */
export interface CsvMapping {
  delimiter: string;
  encoding: 'utf8' | 'latin1';
  /** Name of the column by meaning; an id of a line may be made of several. */
  columns: Partial<Record<LineField, string | string[]>>;
  rules: ReadingRules;
}

/** The columns of a file that says what we would. */
export const OWN_COLUMNS = {
  line_id: 'line_id',
  type: 'type',
  payment: 'reference',
  operation: 'operation_id',
  amount: 'amount_minor',
  fee: 'fee_minor',
  currency: 'currency',
  settlement: 'settlement_id',
  settled_at: 'settled_at',
} as const satisfies CsvMapping['columns'];
