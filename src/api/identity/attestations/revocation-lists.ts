import type { X509Crl } from '@peculiar/x509';
import { checkRevocation, readCrls } from '../../../verify/certificate-crl.ts';
import type { VerifiedLeaf } from '../../../trust/x509-chain.ts';
import { Failed, passed, type Check } from './evidence.ts';

const CHECK = 'certificate_status';

/**
 * Whether revocation lists clear a chain (RFC 5280 §6.3): those of its trust domain, and those that the agent brings, of
 * each issuer the newest. Where there is one, a current list of the leaf's issuer must be among them. Nothing is fetched.
 * @param kept PEM of the trust domain's lists
 * @param brought `crls` of the attestation
 * @throws Failed
 */
export async function checkLists(
  { path, trustDomain }: VerifiedLeaf,
  kept: readonly string[],
  brought: unknown,
  now: Date,
): Promise<Check> {
  const texts = brought === undefined ? [] : [brought].flat();
  if (!texts.every((text) => typeof text === 'string')) unreadable();
  const lists = newest([...kept, ...texts].flatMap((text) => readCrls(text) ?? unreadable()));
  if (lists.length === 0) {
    return passed(
      CHECK,
      `There is no revocation list of ${trustDomain}: the certificate stands until its anchor is removed`,
    );
  }
  const flaw = await checkRevocation([...path], lists, now);
  if (flaw) throw new Failed(CHECK, `The certificate is not cleared by the lists of ${trustDomain}: ${flaw.detail}`);
  return passed(CHECK, 'The certificate is not revoked');
}

function unreadable(): never {
  throw new Failed(CHECK, 'attestation.crls must be PEM of revocation lists');
}

function newest(lists: readonly X509Crl[]): X509Crl[] {
  const byIssuer = new Map<string, X509Crl>();
  for (const list of lists) {
    const known = byIssuer.get(list.issuer);
    if (!known || list.thisUpdate > known.thisUpdate) byIssuer.set(list.issuer, list);
  }
  return [...byIssuer.values()];
}
