/**
 * Why a certificate was revoked (RFC 5280 §5.3.1), as far as it applies to an agent. Left out: the compromise of an
 * authority, and `certificateHold`, since what was revoked here stays so.
 */
export const REVOCATION_REASONS = {
  unspecified: 0,
  keyCompromise: 1,
  affiliationChanged: 3,
  superseded: 4,
  cessationOfOperation: 5,
  privilegeWithdrawn: 9,
} as const;
export type RevocationReason = keyof typeof REVOCATION_REASONS;

export function reasonNamed(code: number): RevocationReason {
  const found = Object.entries(REVOCATION_REASONS).find(([, value]) => value === code);
  return (found?.[0] ?? 'unspecified') as RevocationReason;
}

export const CERTIFICATE_STATUSES = ['active', 'revoked', 'expired'] as const;
export type CertificateStatus = (typeof CERTIFICATE_STATUSES)[number];

/** Keys that a certificate is made for when the agent brings none: RSA of 2048 bits as published, or shorter ones. */
export const CERTIFIED_KEYS = ['rsa-2048', 'p-256', 'ed25519'] as const;
export type CertifiedKey = (typeof CERTIFIED_KEYS)[number];

/** RFC 5280 §4.1.2.2: at most 20 octets. */
const SERIAL = /^[0-9A-F]{1,40}$/;

/**
 * A serial number as a person may write it, in hexadecimal with or without colons, in either case → its stored form:
 * capitals, whole octets, no zero octets in front. `undefined` when it is none.
 */
export function parseSerial(text: string): string | undefined {
  const digits = text.replaceAll(':', '').toUpperCase();
  if (!SERIAL.test(digits)) return undefined;
  const bare = digits.replace(/^0+/, '');
  return bare.length % 2 === 0 ? bare : `0${bare}`;
}

/** What stands in an answer: expiry is a matter of the clock, not of a row. Both times in milliseconds. */
export function certificateStatus(status: CertificateStatus, expiresAtMs: number, nowMs: number): CertificateStatus {
  return status === 'active' && expiresAtMs <= nowMs ? 'expired' : status;
}

/** The URI in the certificate of an agent (RFC 8141 informal form), and one of its names in proofs. */
export function agentUri(agentId: string): string {
  return `urn:prokura:agent:${agentId}`;
}
