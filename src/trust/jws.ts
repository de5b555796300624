import { compactVerify, errors, importJWK, type JWK } from 'jose';
import { JWS_ALGORITHMS, type KeyAlg } from './public-key.ts';

/** Why a token is not accepted. `alg_none` and `alg_confusion` are attacks, not mistakes. */
export class JwsRefused extends Error {
  override readonly name = 'JwsRefused';
  readonly code: 'malformed' | 'alg_none' | 'alg_confusion';
  constructor(code: JwsRefused['code'], message: string) {
    super(message);
    this.code = code;
  }
}

export interface Jws {
  token: string;
  header: Record<string, unknown> & { alg: string };
  /** Not to be believed before `verifiesUnder`. */
  claims: Record<string, unknown>;
}

const COMPACT = /^([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]*)$/;
/** Room for a chain of certificates in the header. */
const MAX_LENGTH = 65_536;

/**
 * Reads a compact JWS (RFC 7515 §7.1) whose payload is a JSON object, with asymmetric algorithms only.
 * @throws JwsRefused
 */
export function readJws(token: unknown): Jws {
  const parts = typeof token === 'string' && token.length <= MAX_LENGTH ? COMPACT.exec(token) : null;
  if (!parts) throw new JwsRefused('malformed', 'The token is not a compact JWS');
  const header = objectOf(parts[1]!, 'header');
  const { alg } = header;
  if (typeof alg !== 'string') throw new JwsRefused('malformed', 'The token names no algorithm');
  if (alg.toLowerCase() === 'none') throw new JwsRefused('alg_none', 'The token is not signed: its alg is none');
  if (alg.toUpperCase().startsWith('HS')) {
    throw new JwsRefused('alg_confusion', `The token is signed by a MAC (${alg}), which a public key cannot make`);
  }
  if (parts[3] === '') throw new JwsRefused('malformed', 'The token has no signature');
  if ('crit' in header) throw new JwsRefused('malformed', 'The token demands extensions that are not known here');
  return { token: parts[0], header: { ...header, alg }, claims: objectOf(parts[2]!, 'payload') };
}

function objectOf(part: string, what: string): Record<string, unknown> {
  const bytes = Buffer.from(part, 'base64url');
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw new JwsRefused('malformed', `The ${what} of the token is not JSON`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new JwsRefused('malformed', `The ${what} of the token is not an object`);
  }
  return value as Record<string, unknown>;
}

/** Whether the token was signed by this key, by an algorithm of its kind. */
export async function verifiesUnder(
  { token, header }: Pick<Jws, 'token' | 'header'>,
  { jwk, alg }: { jwk: JWK; alg: string },
): Promise<boolean> {
  const algorithms = [...JWS_ALGORITHMS[alg as KeyAlg]];
  if (!algorithms.includes(header.alg)) return false;
  if (!isBase64url(token.slice(token.lastIndexOf('.') + 1))) return false;
  try {
    await compactVerify(token, await importJWK(jwk, header.alg), { algorithms });
    return true;
  } catch (error) {
    if (error instanceof errors.JOSEError || error instanceof TypeError || error instanceof DOMException) return false;
    throw error;
  }
}

/** Exactly: left-over bits and padding would give the same bytes several texts (RFC 7515 §2). */
export function isBase64url(text: string): boolean {
  return Buffer.from(text, 'base64url').toString('base64url') === text;
}

/** Seconds that the clock of a signer may be off. */
const SKEW_SECONDS = 60;

/**
 * Judges `exp` (demanded), `nbf` and `iat` (RFC 7519 §4.1).
 * @returns what is wrong, `undefined` when nothing is
 */
export function staleness({ exp, nbf, iat }: Record<string, unknown>, at: Date): string | undefined {
  const now = at.getTime() / 1000;
  for (const [name, value] of Object.entries({ exp, nbf, iat })) {
    if (value !== undefined && !Number.isFinite(value)) return `${name} is not a time`;
  }
  if (exp === undefined) return 'it does not say when it expires (exp)';
  if ((exp as number) <= now - SKEW_SECONDS) return 'it has expired';
  if (((nbf as number | undefined) ?? 0) > now + SKEW_SECONDS) return 'it is not good yet';
  return ((iat as number | undefined) ?? 0) > now + SKEW_SECONDS ? 'it was issued in the future' : undefined;
}
