import { serializeItem } from 'structured-headers';
import type { JWK } from 'jose';
import type { KeyAlg } from '../public-key.ts';
import { algorithmFor, signatureVerifies } from './algorithms.ts';
import { headerValue, signatureBases, type HttpMessage } from './base.ts';
import { digestAgrees } from './content-digest.ts';
import { HttpSignatureRefused, type HttpSignature } from './parse.ts';

/** Seconds that the clock of a signer may be off. */
export const SKEW_SECONDS = 60;

export interface Rules {
  now: Date;
  /** Sets of component names; every name of one set must be covered. */
  cover: readonly (readonly string[])[];
  /** Age from `created`, beyond which a signature is stale, seconds. */
  maxAgeSeconds: number;
  /** Demands `expires`, at most so many seconds after `created`. */
  maxWindowSeconds?: number;
  /** Demands that the body is covered, by its digest, when there is one. */
  coverBody?: true;
}

/** One thing that was looked at. `header` is to blame when it is not good. */
export interface Finding {
  code: string;
  ok: boolean;
  detail: string;
  header: string;
}

/** Judges a signature by a key: what it covers, when it was made, the body, and the signature itself. */
export function judgeSignature(
  message: HttpMessage,
  signature: HttpSignature,
  key: { jwk: JWK; alg: string; thumbprint: string },
  rules: Rules,
): Finding[] {
  return [
    coverage(message, signature, rules),
    freshness(signature.params, rules),
    ...contentDigest(message, signature),
    ...signatureItself(message, signature, key),
  ];
}

/** When a signature that these rules accept cannot be accepted any more: as long, its nonce must be remembered. */
export function acceptedUntil({ created, expires }: HttpSignature['params'], rules: Rules): Date {
  const stale = (created ?? 0) + rules.maxAgeSeconds;
  return new Date((Math.min(expires ?? stale, stale) + SKEW_SECONDS) * 1000);
}

export function covers({ components }: HttpSignature, name: string): boolean {
  return components.some(([component, params]) => component === name && params.size === 0);
}

/**
 * Whether the key made the signature over this message.
 * @param algorithm from `algorithmFor` or `algorithmForJwk`, of this very key
 * @throws HttpSignatureRefused when the message has no such signature base
 */
export function isSignedBy(message: HttpMessage, signature: HttpSignature, jwk: JWK, algorithm: string): boolean {
  const bases = signatureBases(message, signature);
  return bases.some((base) => signatureVerifies(algorithm, jwk, base, signature.signature));
}

function coverage(message: HttpMessage, signature: HttpSignature, { cover, coverBody }: Rules): Finding {
  const names = coverBody && message.body.length > 0 ? cover.map((set) => [...set, 'content-digest']) : cover;
  const ok = names.length === 0 || names.some((set) => set.every((name) => covers(signature, name)));
  const listed = signature.components.map((item) => serializeItem(item)).join(' ');
  const wanted = names.map((set) => set.join(', ')).join('; or ');
  const detail = ok ? `The signature covers ${listed || 'nothing'}` : `The signature must cover ${wanted}`;
  return { code: 'covered_components', ok, detail, header: 'Signature-Input' };
}

function freshness({ created, expires }: HttpSignature['params'], rules: Rules): Finding {
  const now = rules.now.getTime() / 1000;
  const say = (ok: boolean, detail: string): Finding => ({
    code: 'signature_fresh',
    ok,
    detail,
    header: 'Signature-Input',
  });
  if (created === undefined) return say(false, 'The signature does not say when it was created');
  if (created > now + SKEW_SECONDS) return say(false, 'The signature was created in the future');
  if (expires !== undefined && expires < now - SKEW_SECONDS) return say(false, 'The signature has expired');
  if (created < now - rules.maxAgeSeconds - SKEW_SECONDS) {
    return say(false, `The signature is older than ${rules.maxAgeSeconds} seconds`);
  }
  const { maxWindowSeconds: window } = rules;
  if (window !== undefined && (expires === undefined || expires <= created || expires - created > window)) {
    return say(false, `The signature must expire within ${window} seconds of its creation`);
  }
  return say(true, `The signature was created at ${new Date(created * 1000).toISOString()}`);
}

/** Checked whenever it is covered: a digest that nobody compares protects nobody. */
function contentDigest(message: HttpMessage, signature: HttpSignature): Finding[] {
  if (!signature.components.some(([name]) => name === 'content-digest')) return [];
  const value = headerValue(message, 'content-digest');
  const ok = value !== undefined && digestAgrees(value, message.body);
  const detail = ok ? 'Content-Digest is of this body' : 'Content-Digest is not of this body';
  return [{ code: 'content_digest', ok, detail, header: 'Content-Digest' }];
}

function signatureItself(
  message: HttpMessage,
  signature: HttpSignature,
  key: { jwk: JWK; alg: string; thumbprint: string },
): Finding[] {
  const { alg } = signature.params;
  const algorithm = algorithmFor(alg, key.alg as KeyAlg);
  const header = 'Signature-Input';
  if (algorithm === undefined) {
    const detail =
      alg === undefined ? 'An RSA signature must name its alg' : 'The key cannot have signed with this alg';
    return [{ code: 'signature_algorithm', ok: false, detail, header }];
  }
  try {
    const ok = isSignedBy(message, signature, key.jwk, algorithm);
    const detail = ok ? `Signed by the key ${key.thumbprint}` : 'The signature does not verify';
    return [{ code: 'signature_valid', ok, detail, header: 'Signature' }];
  } catch (error) {
    if (!(error instanceof HttpSignatureRefused)) throw error;
    return [{ code: 'signature_valid', ok: false, detail: `${error.header} ${error.message}`, header: error.header }];
  }
}
