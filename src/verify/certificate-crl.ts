// Must come first: @peculiar/x509 builds its parsers on it.
import 'reflect-metadata';
import { KeyUsageFlags, KeyUsagesExtension, X509Crl, X509CrlReason, type X509Certificate } from '@peculiar/x509';
import { isSignedDer } from '../trust/signed-der.ts';
import { pemBlocks } from './pem.ts';

const MAX_CRLS = 16;
const LABELS = new Set(['X509 CRL', 'CRL']);
/** CRL number and authority key identifier; any other critical extension, such as an issuing point, limits the list. */
const UNDERSTOOD = new Set(['2.5.29.20', '2.5.29.35']);

export function readCrls(pem: string): X509Crl[] | undefined {
  const blocks = pemBlocks(pem, LABELS, MAX_CRLS);
  if (!blocks?.every((der) => isSignedDer(der, 'crl'))) return undefined;
  try {
    return blocks.map((der) => new X509Crl(der));
  } catch {
    return undefined;
  }
}

interface Revocation {
  code: string;
  detail: string;
  claims?: Record<string, unknown>;
}

/**
 * Why the lists do not clear a path (RFC 5280 §6.3). There must be a current list by the issuer of the leaf; those of
 * other issuers of the path are honoured when they are there.
 */
export async function checkRevocation(
  path: X509Certificate[],
  crls: X509Crl[],
  now: Date,
): Promise<Revocation | undefined> {
  for (const [depth, certificate] of path.slice(0, -1).entries()) {
    const issuer = path[depth + 1]!;
    const lists = crls.filter((crl) => crl.issuer === issuer.subject);
    if (lists.length === 0 && depth > 0) continue;
    if (lists.length === 0) return { code: 'crl_unusable', detail: `no list is by ${issuer.subject}` };
    for (const crl of lists) {
      const flaw = await flawOf(crl, issuer, now);
      if (flaw) return flaw;
      const entry = crl.findRevoked(certificate);
      if (entry) {
        return {
          code: 'revoked',
          detail: `${certificate.subject} is revoked`,
          claims: {
            revocation: 'revoked',
            revoked_at: entry.revocationDate.toISOString(),
            reason: entry.reason === undefined ? null : X509CrlReason[entry.reason],
          },
        };
      }
    }
  }
  return undefined;
}

async function flawOf(crl: X509Crl, issuer: X509Certificate, now: Date): Promise<Revocation | undefined> {
  const usage = issuer.getExtension(KeyUsagesExtension);
  if (usage && (usage.usages & KeyUsageFlags.cRLSign) === 0) {
    return { code: 'crl_unusable', detail: `${issuer.subject} may not sign lists (keyUsage)` };
  }
  const isSigned = await crl.verify({ publicKey: issuer.publicKey }).catch(() => false);
  if (!isSigned) return { code: 'crl_unusable', detail: 'the list is not signed by its issuer' };
  if (crl.extensions.some(({ critical, type }) => critical && !UNDERSTOOD.has(type))) {
    return { code: 'crl_unusable', detail: 'the list has a critical extension that is not understood' };
  }
  if (now < crl.thisUpdate) return { code: 'crl_unusable', detail: 'the list is from the future' };
  if (!crl.nextUpdate || now > crl.nextUpdate) return { code: 'crl_expired', detail: 'a newer list must be there' };
  return undefined;
}
