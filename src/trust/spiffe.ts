export interface SpiffeId {
  trustDomain: string;
  /** Begins with a slash. */
  path: string;
}

const MAX_BYTES = 2048;
const MAX_TRUST_DOMAIN = 255;
const TRUST_DOMAIN = /^[a-z0-9._-]+$/;
const SEGMENT = /^[a-zA-Z0-9._-]+$/;

/** SPIFFE-ID §2.1: lower-case letters, digits, dots, dashes and underscores, at most 255 bytes. */
export function isTrustDomain(text: string): boolean {
  return text.length <= MAX_TRUST_DOMAIN && TRUST_DOMAIN.test(text);
}

/**
 * Reads the SPIFFE id of a workload (SPIFFE-ID §2): at most 2048 bytes, no user, port, query, fragment or percent
 * escapes, and a path without empty, `.` or `..` segments.
 * @returns `undefined` when it is none, or names a trust domain alone
 */
export function parseSpiffeId(text: string): SpiffeId | undefined {
  if (Buffer.byteLength(text) > MAX_BYTES || !text.startsWith('spiffe://')) return undefined;
  const [trustDomain, ...segments] = text.slice('spiffe://'.length).split('/');
  if (!isTrustDomain(trustDomain!) || segments.length === 0) return undefined;
  if (!segments.every((segment) => SEGMENT.test(segment) && segment !== '.' && segment !== '..')) return undefined;
  return { trustDomain: trustDomain!, path: `/${segments.join('/')}` };
}
