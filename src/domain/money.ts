import { exponentOf } from './currency.ts';

export type MoneyErrorCode =
  'excess_decimals' | 'negative' | 'not_a_number' | 'unsafe' | 'unknown_currency' | 'exponent';

/** An amount that cannot be taken at its word. The message is a sentence for the caller. */
export class MoneyError extends Error {
  readonly code: MoneyErrorCode;

  constructor(code: MoneyErrorCode, message: string) {
    super(message);
    this.name = 'MoneyError';
    this.code = code;
  }
}

const DECIMAL = /^(0|[1-9]\d*)(?:\.(\d+))?$/;
const SCIENTIFIC = /^[-+]?\d+(?:\.\d+)?e[-+]?\d+$/i;
/** Longer texts are unsafe in every currency, and are not worth a bigint. */
const MAX_DIGITS = 24;

/**
 * Major units (`1240.5`, `"1240.50"`) → minor units (124050), a safe integer ≥ 0. Zero is allowed here.
 *
 * A number is read through its shortest decimal text, never multiplied: `1.1 * 100` is not 110. It is refused as
 * `unsafe` when a neighbouring amount would have arrived as the very same double, since then nobody can tell which was
 * meant; the same amount as a string is accepted up to `Number.MAX_SAFE_INTEGER` minor units.
 * A string is refused for decimals beyond the currency's even when they are zeros: `"1.000"` USD may be a thousand
 * written the European way.
 *
 * @throws MoneyError
 */
export function toMinor(amount: number | string, currency: string): number {
  const exponent = exponentOrThrow(currency);
  const minor = parseMinor(textOf(amount), exponent, currency);
  if (typeof amount === 'number' && isAmbiguous(amount, minor, exponent)) {
    throw new MoneyError(
      'unsafe',
      `Send ${currency} amounts of this size as a string: the number lost its last digits`,
    );
  }
  return Number(minor);
}

/**
 * Minor units → major units as a number: the double nearest to the decimal value, which prints as that value up to
 * fifteen significant digits. Negative amounts (ledger lines) are allowed.
 *
 * @throws MoneyError for an unknown currency, or a number that is not a safe integer
 */
export function toMajor(minor: number | bigint, currency: string): number {
  return Number(majorText(minor, currency));
}

/** Minor units → the exact decimal text with all decimals of the currency: 124050 EUR is `1240.50`. */
export function majorText(minor: number | bigint, currency: string): string {
  const exponent = exponentOrThrow(currency);
  if (typeof minor === 'number' && !Number.isSafeInteger(minor)) {
    throw new MoneyError('unsafe', 'An amount of minor units must be a safe integer');
  }
  return decimalText(BigInt(minor), exponent);
}

function exponentOrThrow(currency: string): number {
  const exponent = exponentOf(currency);
  if (exponent === undefined) throw new MoneyError('unknown_currency', `${currency} is not an active ISO 4217 code`);
  return exponent;
}

function textOf(amount: number | string): string {
  if (typeof amount === 'string') return amount;
  if (typeof amount !== 'number' || !Number.isFinite(amount)) {
    throw new MoneyError('not_a_number', 'An amount must be a finite number or a decimal string');
  }
  return String(amount);
}

function parseMinor(text: string, exponent: number, currency: string): bigint {
  if (text.length > MAX_DIGITS && /^[\d.]+$/.test(text))
    throw new MoneyError('unsafe', 'The amount has too many digits');
  if (/^-\d/.test(text)) throw new MoneyError('negative', 'An amount must not be negative');
  if (SCIENTIFIC.test(text)) throw new MoneyError('exponent', 'An amount must be written without an exponent');
  const match = DECIMAL.exec(text);
  if (!match) throw new MoneyError('not_a_number', 'An amount must be a decimal number such as 1240.50');
  const decimals = match[2] ?? '';
  if (decimals.length > exponent) {
    throw new MoneyError('excess_decimals', `${currency} has ${exponent} decimals, the amount has ${decimals.length}`);
  }
  const minor = BigInt(match[1]! + decimals.padEnd(exponent, '0'));
  if (minor > BigInt(Number.MAX_SAFE_INTEGER))
    throw new MoneyError('unsafe', 'The amount is too large to count exactly');
  return minor;
}

function isAmbiguous(amount: number, minor: bigint, exponent: number): boolean {
  return [minor - 1n, minor + 1n].some((neighbour) => Number(decimalText(neighbour, exponent)) === amount);
}

function decimalText(minor: bigint, exponent: number): string {
  const digits = (minor < 0n ? -minor : minor).toString().padStart(exponent + 1, '0');
  const sign = minor < 0n ? '-' : '';
  if (exponent === 0) return sign + digits;
  return `${sign}${digits.slice(0, -exponent)}.${digits.slice(-exponent)}`;
}
