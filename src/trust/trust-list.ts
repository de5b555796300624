import type { JWK } from 'jose';
import { KeyRefused, readJwk } from './public-key.ts';
import type { Signer } from './signing.ts';

/** Somebody whose signatures count, with the keys that they are made with. */
export interface TrustedIssuer {
  /** A DID or an https URL, without key id. */
  issuer: string;
  jwks_uri?: string;
  keys: JWK[];
  /** RFC 3339; outside of them the issuer's keys count for nothing. */
  valid_from?: string;
  valid_until?: string;
}

/** The list of trusted issuers is unusable; the message says where. */
export class TrustListRefused extends Error {
  override readonly name = 'TrustListRefused';
}

const ISSUER = /^(did:[a-z0-9]+:[^#\s]{1,2000}|https:\/\/[^#\s]{1,2000})$/;
const MAX_ISSUERS = 1_000;
const MAX_KEYS = 50;

/**
 * Reads a list of trusted issuers: JSON, `[{issuer, keys, jwks_uri?, valid_from?, valid_until?}]`. Keys are named by
 * their thumbprint, whatever they were called; a weak one is refused, since a list that says "trusted" must be right.
 * @throws TrustListRefused
 */
export async function readTrustedIssuers(text: string): Promise<TrustedIssuer[]> {
  const list = parsed(text);
  if (!Array.isArray(list) || list.length > MAX_ISSUERS) throw refused('', `must be a list of at most ${MAX_ISSUERS}`);
  return Promise.all(list.map((entry, index) => readIssuer(entry, `[${index}]`)));
}

async function readIssuer(entry: unknown, at: string): Promise<TrustedIssuer> {
  const { issuer, jwks_uri, keys, valid_from, valid_until, ...unknown } = Object(entry) as Record<string, unknown>;
  const [more] = Object.keys(unknown);
  if (more !== undefined) throw refused(`${at}.${more}`.slice(0, 100), 'is not a member of an issuer');
  if (typeof issuer !== 'string' || !ISSUER.test(issuer))
    throw refused(`${at}.issuer`, 'must be a DID or an https URL');
  if (jwks_uri !== undefined && !(typeof jwks_uri === 'string' && URL.canParse(jwks_uri))) {
    throw refused(`${at}.jwks_uri`, 'must be a URL');
  }
  if (!Array.isArray(keys) || keys.length === 0 || keys.length > MAX_KEYS) {
    throw refused(`${at}.keys`, `must be a list of 1 to ${MAX_KEYS} public keys (JWK)`);
  }
  const dates = {
    valid_from: dateIn(valid_from, `${at}.valid_from`),
    valid_until: dateIn(valid_until, `${at}.valid_until`),
  };
  const read = await Promise.all(keys.map((key, index) => readKey(key, `${at}.keys[${index}]`)));
  return { issuer, ...(jwks_uri === undefined ? {} : { jwks_uri }), keys: read, ...dates };
}

async function readKey(key: unknown, at: string): Promise<JWK> {
  try {
    const { jwk, alg, thumbprint } = await readJwk(Object(key) as Record<string, unknown>);
    return { ...jwk, kid: thumbprint, alg, use: 'sig' };
  } catch (error) {
    if (error instanceof KeyRefused) throw refused(error.member ? `${at}.${error.member}` : at, error.message);
    throw error;
  }
}

function dateIn(value: unknown, at: string): string | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== 'string' || !/^\d{4}-\d\d-\d\dT/.test(value) || Number.isNaN(Date.parse(value))) {
    throw refused(at, 'must be an RFC 3339 date-time');
  }
  return new Date(value).toISOString();
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw refused('', 'is not JSON');
  }
}

function refused(at: string, why: string): TrustListRefused {
  return new TrustListRefused(`the list of trusted issuers${at} ${why}`);
}

/** Whether one of the issuers that are trusted now has this key. @returns the issuer */
export function trustedIssuerOf(issuers: readonly TrustedIssuer[], thumbprint: string, now: Date): string | undefined {
  const counts = ({ valid_from, valid_until }: TrustedIssuer) =>
    (valid_from === undefined || Date.parse(valid_from) <= now.getTime()) &&
    (valid_until === undefined || Date.parse(valid_until) > now.getTime());
  return issuers.find((one) => counts(one) && one.keys.some(({ kid }) => kid === thumbprint))?.issuer;
}

/** How long a published list may be relied upon, seconds. */
export const TRUST_LIST_SECONDS = 86_400;

/**
 * The list as it is published: compact JWS, `typ: trust-list+jwt`, RFC 8785 payload `{issuer, issued_at, expires_at,
 * issuers}`; `issuer` ends in the id of the key that signed.
 * @throws SignerAway
 */
export function signTrustList(
  signer: Pick<Signer, 'kid' | 'signJws'>,
  { issuer, issuers, now }: { issuer: string; issuers: readonly TrustedIssuer[]; now: Date },
): Promise<string> {
  return signer.signJws(
    {
      issuer: `${issuer}#${signer.kid}`,
      issued_at: now.toISOString(),
      expires_at: new Date(now.getTime() + TRUST_LIST_SECONDS * 1_000).toISOString(),
      issuers,
    },
    { typ: 'trust-list+jwt' },
  );
}
