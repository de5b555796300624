import { readSpan } from './calendar.ts';
import { parseId } from './ids.ts';
import { MoneyError, toMinor } from './money.ts';

/** A line of a settlement file, read. Which payment it is of is looked up by our id, or by the processor's reference. */
export interface FileLine {
  /** Within one processor; a line that came before under it changes nothing. */
  lineId: string;
  type: 'capture' | 'refund';
  paymentId?: string | undefined;
  processorReference?: string | undefined;
  operationId?: string | undefined;
  amountMinor: number;
  feeMinor: number;
  currency: string;
  settlementId: string;
  /** Milliseconds since 1970. */
  settledAtMs: number;
}

/** What a line of a file says, by meaning, as text. */
export type LineField =
  | 'line_id'
  | 'type'
  | 'payment'
  | 'processor_reference'
  | 'operation'
  | 'amount'
  | 'fee'
  | 'currency'
  | 'settlement'
  | 'settled_at';
export const LINE_FIELDS: readonly LineField[] = [
  'line_id',
  'type',
  'payment',
  'processor_reference',
  'operation',
  'amount',
  'fee',
  'currency',
  'settlement',
  'settled_at',
];

/** How the texts of a file are to be understood. */
export interface ReadingRules {
  /** Texts that stand for a capture or a refund; without them `capture` and `refund` do. */
  types?: { capture: string[]; refund: string[] };
  amounts: 'major' | 'minor';
  /** Character before the decimals. */
  decimal: '.' | ',';
  /** Of lines that do not say it. */
  settlementId?: string;
  settledAtMs?: number;
}

/** Why a line cannot be read; a sentence without what the line says, since that may be anybody's data. */
export class BadLine extends Error {
  override readonly name = 'BadLine';
}

const MAX_ID = 255;
const DATE = /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?)(Z|[+-]\d{2}:?\d{2})?)?$/;

/**
 * Reads one line. The amount of a refund may be written with a minus.
 * @throws BadLine
 */
export function readLine(text: (field: LineField) => string, rules: ReadingRules): FileLine {
  const lineId = needed(text('line_id'), 'line_id');
  const type = typeOf(text('type'), rules);
  const currency = needed(text('currency'), 'currency').toUpperCase();
  if (!/^[A-Z]{3}$/.test(currency)) throw new BadLine('currency is not a code of three letters');
  const amount = amountOf(text('amount'), currency, 'amount', rules);
  if (amount < 0 && type === 'capture') throw new BadLine('amount of a capture is below zero');
  const fee = text('fee') === '' ? 0 : amountOf(text('fee'), currency, 'fee', rules);
  const paymentId = parseId(text('payment'), 'pay');
  const processorReference = text('processor_reference').slice(0, MAX_ID) || undefined;
  if (text('payment') === '' && processorReference === undefined) throw new BadLine('payment is missing');
  const operationId = parseId(text('operation'), 'op');
  const settlementId = text('settlement') || rules.settlementId;
  if (settlementId === undefined) throw new BadLine('settlement is missing');
  return {
    lineId,
    type,
    ...(paymentId !== undefined && { paymentId }),
    ...(processorReference !== undefined && { processorReference }),
    ...(operationId !== undefined && { operationId }),
    amountMinor: Math.abs(amount),
    feeMinor: fee,
    currency,
    settlementId: needed(settlementId, 'settlement'),
    settledAtMs: momentOf(text('settled_at'), rules.settledAtMs),
  };
}

function needed(text: string, name: string): string {
  if (text === '') throw new BadLine(`${name} is missing`);
  if (text.length > MAX_ID) throw new BadLine(`${name} is longer than ${MAX_ID} characters`);
  if (text.includes('\0')) throw new BadLine(`${name} has a NUL character`);
  return text;
}

function typeOf(text: string, { types }: ReadingRules): 'capture' | 'refund' {
  const { capture, refund } = types ?? { capture: ['capture'], refund: ['refund'] };
  if (capture.includes(text)) return 'capture';
  if (refund.includes(text)) return 'refund';
  throw new BadLine(text === '' ? 'type is missing' : 'type is neither a capture nor a refund');
}

/** Minor units, signed. */
function amountOf(text: string, currency: string, name: string, { amounts, decimal }: ReadingRules): number {
  if (text === '') throw new BadLine(`${name} is missing`);
  const negative = text.startsWith('-');
  const digits = negative ? text.slice(1) : text;
  if (amounts === 'minor') {
    const value = Number(digits);
    if (!/^\d{1,16}$/.test(digits) || !Number.isSafeInteger(value))
      throw new BadLine(`${name} is not whole minor units`);
    return negative && value !== 0 ? -value : value;
  }
  try {
    if (decimal === ',' && digits.includes('.')) throw new BadLine(`${name} has both a comma and a dot`);
    const value = toMinor(decimal === ',' ? digits.replace(',', '.') : digits, currency);
    return negative && value !== 0 ? -value : value;
  } catch (error) {
    if (error instanceof MoneyError) throw new BadLine(`${name} is not usable: ${error.code.replaceAll('_', ' ')}`);
    throw error;
  }
}

/** Without a zone it is UTC; a day alone is its first moment. */
function momentOf(text: string, otherwise: number | undefined): number {
  if (text === '') {
    if (otherwise !== undefined) return otherwise;
    throw new BadLine('settled_at is missing');
  }
  const [, day, time, zone] = DATE.exec(text) ?? [];
  const moment = day && readSpan(time === undefined ? day : `${day}T${time}${zoneOf(zone)}`);
  if (!moment) throw new BadLine('settled_at is not a date (ISO 8601)');
  return Math.round(moment.from * 1_000);
}

/** `+0100` → `+01:00`. */
function zoneOf(zone = 'Z'): string {
  return zone.length === 5 ? `${zone.slice(0, 3)}:${zone.slice(3)}` : zone;
}
