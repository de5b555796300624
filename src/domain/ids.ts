/**
 * Ids: UUIDv7 (RFC 9562 §5.7), printed as TypeID (prefix + `_` + 26 characters of Crockford base32 of the same UUID).
 * No clock and no randomness of their own: callers pass both, so that workflow code may use them.
 */
export const ID_PREFIXES = [
  'org',
  'prn',
  'agt',
  'key',
  'del',
  'exec',
  'chl',
  'pol',
  'aud',
  'prx',
  'mid',
  'pay',
  'op',
  'evt',
  'asmt',
  'mnd',
  'ae',
  'whk',
  'req',
  'rfd',
  'rtp',
  'rtr',
  'set',
  'dlv',
  'mbr',
  'frz',
  'bkt',
  'rev',
  'crt',
  'lac',
  'len',
  'rex',
  'cov',
  'imp',
  'cfl',
  'dsp',
  'psk',
] as const;
export type IdPrefix = (typeof ID_PREFIXES)[number];

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const TYPEID = /^([a-z]+)_([0-7][0-9a-hjkmnp-tv-z]{25})$/;

/** UUIDv7 of `ms` (Unix milliseconds) and 74 random bits, given as a bigint below 2^74. */
export function uuidV7(ms: number, random74: bigint): string {
  const randA = (random74 >> 62n) & 0xfffn;
  const randB = random74 & 0x3fffffffffffffffn;
  const value = (BigInt(ms) << 80n) | (0x7n << 76n) | (randA << 64n) | (0x2n << 62n) | randB;
  return formatUuid(value);
}

/** The 74 bits of a UUIDv7 that are not time, version or variant. */
export function random74Of(uuid: string): bigint {
  const value = BigInt('0x' + uuid.replaceAll('-', ''));
  return (((value >> 64n) & 0xfffn) << 62n) | (value & 0x3fffffffffffffffn);
}

/** The Unix milliseconds of a UUIDv7. */
export function timeOf(uuid: string): number {
  return Number.parseInt(uuid.replaceAll('-', '').slice(0, 12), 16);
}

/** 74 bits out of a hexadecimal text of at least 19 digits (a hash, or a UUIDv4 without dashes). */
export function random74FromHex(hex: string): bigint {
  return BigInt('0x' + hex.slice(0, 19)) & ((1n << 74n) - 1n);
}

/**
 * The operation id of a further attempt, from that of the first: the same however often it is computed, so that an
 * attempt which was begun by a worker that died is found again, and not begun twice.
 */
export function operationIdOfAttempt(first: string, attempt: number): string {
  if (attempt === 1) return first;
  return uuidV7(timeOf(first), (random74Of(first) + BigInt(attempt - 1)) & ((1n << 74n) - 1n));
}

/** Beyond the attempts that one authorization can have. */
const GIVE_BACK = 1_000_001;
const AT_EXPIRY = 1_000_002;
const REST = 1_000_000;

/** Id of the operation that gives back what an authorization granted and nobody accepts. */
export function operationIdOfGiveBack(authorization: string): string {
  return operationIdOfAttempt(authorization, GIVE_BACK);
}

/** Id of the void of what a final capture left, where the account keeps it. */
export function operationIdOfRest(capture: string): string {
  return operationIdOfAttempt(capture, REST);
}

/** Id of the `n`th capture that is made because the hold is about to end; `n` counts from 0. */
export function operationIdAtExpiry(paymentId: string, n: number): string {
  return operationIdOfAttempt(paymentId, AT_EXPIRY + n);
}

/** UUID → TypeID: `toTypeId('pay', uuid)` is `pay_01h…`. */
export function toTypeId(prefix: IdPrefix, uuid: string): string {
  let value = BigInt('0x' + uuid.replaceAll('-', ''));
  let text = '';
  for (let i = 0; i < 26; i++) {
    text = ALPHABET[Number(value & 31n)] + text;
    value >>= 5n;
  }
  return `${prefix}_${text}`;
}

/**
 * A TypeID with one of `prefixes`, or a bare UUID → lower-case UUID; `undefined` when it is neither.
 * Both forms are accepted everywhere as input.
 */
export function parseId(text: string, ...prefixes: IdPrefix[]): string | undefined {
  if (UUID.test(text)) return text.toLowerCase();
  const match = TYPEID.exec(text);
  if (!match || !prefixes.includes(match[1] as IdPrefix)) return undefined;
  let value = 0n;
  for (const c of match[2]!) value = (value << 5n) | BigInt(ALPHABET.indexOf(c));
  return formatUuid(value);
}

function formatUuid(value: bigint): string {
  const hex = value.toString(16).padStart(32, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
