import { compactVerify, errors, flattenedVerify, type FlattenedJWSInput, type JWK } from 'jose';
import { isBase64url } from '../trust/jws.ts';
import { JWS_ALGORITHMS } from '../trust/public-key.ts';
import { isObject, type Members } from './input.ts';

/** Asymmetric algorithms alone: a public key can never be taken for a shared secret. P-521 keys cannot be registered. */
export const SIGNATURE_ALGORITHMS: readonly string[] = [...Object.values(JWS_ALGORITHMS).flat(), 'ES512'];

export type JwsFailure = 'malformed' | 'unknown_kid' | 'invalid_signature';

export type JwsOutcome =
  | { ok: true; header: Members; payload: Buffer; key: JWK }
  | { ok: false; code: JwsFailure; detail: string; header?: Members };

interface JwsQuestion {
  keys: readonly JWK[];
  algorithms?: readonly string[];
  /** Takes the only key when the header names none. */
  kidOptional?: boolean;
}

/** Verifies a compact JWS (RFC 7515) under the key that its `kid` names. Never throws. */
export async function verifyCompact(jws: unknown, question: JwsQuestion): Promise<JwsOutcome> {
  if (typeof jws !== 'string') return malformed('it is not a text');
  const parts = jws.split('.');
  if (parts.length !== 3) return malformed('it does not have three parts');
  if (!parts.every(isBase64url)) return malformed('a part is not base64url');
  return verifyWith(parts[0]!, question, (key) => compactVerify(jws, key, { algorithms: algorithmsOf(question) }));
}

/** Verifies one flattened JWS, its payload given beside it (RFC 7515 §7.2.2). Never throws. */
export async function verifyFlattened(jws: FlattenedJWSInput, question: JwsQuestion): Promise<JwsOutcome> {
  return verifyWith(jws.protected ?? '', question, (key) =>
    flattenedVerify(jws, key, { algorithms: algorithmsOf(question) }),
  );
}

async function verifyWith(
  protectedHeader: string,
  question: JwsQuestion,
  verify: (key: JWK) => Promise<{ payload: Uint8Array }>,
): Promise<JwsOutcome> {
  const header = jsonIn(protectedHeader);
  if (!isObject(header) || typeof header['alg'] !== 'string') return malformed('its protected header is not readable');
  const { alg, kid } = header;
  if (!algorithmsOf(question).includes(alg)) {
    return { ok: false, code: 'invalid_signature', detail: `the algorithm ${quote(alg)} is not accepted`, header };
  }
  const named = question.keys.filter((key) => key.kid !== undefined && key.kid === kid);
  const candidates = kid === undefined && question.kidOptional ? question.keys : named;
  if (candidates.length !== 1) {
    const detail =
      kid === undefined ? 'the header names no key (kid)' : `${candidates.length || 'no'} key has the id ${quote(kid)}`;
    return { ok: false, code: 'unknown_kid', detail, header };
  }
  try {
    // Given the JWK itself, the library also holds its `use`, `key_ops` and `alg` against the question.
    const { payload } = await verify(publicHalf(candidates[0]!));
    return { ok: true, header, payload: Buffer.from(payload), key: candidates[0]! };
  } catch (error) {
    if (error instanceof errors.JWSInvalid) return { ...malformed(error.message), header };
    return {
      ok: false,
      code: 'invalid_signature',
      detail: 'the signature is not of this key over these bytes',
      header,
    };
  }
}

/** The object that a payload is; `undefined` when it is no JSON object. */
export function objectIn(payload: Buffer): Members | undefined {
  try {
    const value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(payload)) as unknown;
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function jsonIn(part: string): unknown {
  return objectIn(Buffer.from(part, 'base64url'));
}

function algorithmsOf({ algorithms = SIGNATURE_ALGORITHMS }: JwsQuestion): string[] {
  return [...algorithms];
}

function publicHalf({ d, p: _p, q: _q, dp: _dp, dq: _dq, qi: _qi, oth: _oth, ...jwk }: JWK): JWK {
  return d === undefined || !jwk.key_ops ? jwk : { ...jwk, key_ops: ['verify'] };
}

function malformed(detail: string): { ok: false; code: JwsFailure; detail: string } {
  return { ok: false, code: 'malformed', detail };
}

function quote(value: unknown): string {
  return JSON.stringify(value)?.slice(0, 100) ?? 'undefined';
}
