// Must come first: @peculiar/x509 builds its parsers on it.
import 'reflect-metadata';
import { BasicConstraintsExtension, KeyUsageFlags, KeyUsagesExtension, X509Certificate } from '@peculiar/x509';
import { checkRevocation, readCrls } from './certificate-crl.ts';
import { isSignedDer } from '../trust/signed-der.ts';
import { membersOf, nowOf, textMember } from './input.ts';
import { pemBlocks } from './pem.ts';
import { invalid, valid, type Verification } from './result.ts';

/** Longer chains are nobody's. */
const MAX_PATH = 8;
const MAX_CERTIFICATES = 32;
const LABELS = new Set(['CERTIFICATE']);

/** Extensions that are looked at here, or constrain nothing that is claimed; any other critical one refuses (RFC 5280 §4.2). */
const UNDERSTOOD = new Set([
  '2.5.29.14', // subject key identifier
  '2.5.29.15', // key usage
  '2.5.29.17', // subject alternative name
  '2.5.29.19', // basic constraints
  '2.5.29.31', // CRL distribution points
  '2.5.29.32', // certificate policies
  '2.5.29.35', // authority key identifier
  '2.5.29.37', // extended key usage
]);
const HASHES = new Set(['SHA-256', 'SHA-384', 'SHA-512']);

/**
 * An X.509 certificate up to a self-signed root of `chain_pem`, which the caller trusts, and its revocation list.
 * `{certificate_pem, chain_pem, crl_pem?, now?}`; the order of `chain_pem` does not matter. Checked: signatures, names,
 * validity of every certificate, basicConstraints with path length, keyUsage, critical extensions; with `crl_pem` the
 * list's signature, its dates, and that no certificate of the path is on it.
 * Codes: `malformed`, `untrusted`, `invalid_signature`, `not_yet_valid`, `expired`, `not_a_ca`, `path_too_long`,
 * `unhandled_extension`, `weak_signature`, `crl_unusable`, `crl_expired`, `revoked`.
 * @throws Misuse
 */
export async function verifyCertificate(input: unknown): Promise<Verification> {
  const members = membersOf(input, ['certificate_pem', 'chain_pem']);
  const now = nowOf(members);
  const crlText = textMember(members, 'crl_pem');
  const [[leaf, ...more] = [], chain] = [read(members['certificate_pem']), read(members['chain_pem'])];
  if (!leaf || !chain) return invalid('malformed', 'certificate_pem or chain_pem is not PEM of X.509 certificates');
  const claims = claimsOf(leaf);
  const path = await buildPath(leaf, [...more, ...chain], chain);
  if ('code' in path) return { ...path, claims };

  for (const [depth, certificate] of path.certificates.entries()) {
    const flaw = flawOf(certificate, depth, now);
    if (flaw) return invalid(flaw.code, `${certificate.subject}: ${flaw.detail}`, claims);
  }
  if (crlText === undefined)
    return valid('trusted; revocation was not checked', { ...claims, revocation: 'not_checked' });
  const crls = readCrls(crlText);
  if (!crls) return invalid('malformed', 'crl_pem is not PEM of certificate revocation lists', claims);
  const revocation = await checkRevocation(path.certificates, crls, now);
  if (revocation) return invalid(revocation.code, revocation.detail, { ...claims, ...revocation.claims });
  return valid('trusted, and not revoked', { ...claims, revocation: 'good' });
}

function read(pem: unknown): X509Certificate[] | undefined {
  if (typeof pem !== 'string') return undefined;
  const blocks = pemBlocks(pem, LABELS, MAX_CERTIFICATES);
  if (!blocks?.every((der) => isSignedDer(der, 'certificate'))) return undefined;
  try {
    return blocks.map((der) => new X509Certificate(der));
  } catch {
    return undefined;
  }
}

/** From the leaf to a trusted root: each issuer is found by name and proves itself by the signature. */
async function buildPath(
  leaf: X509Certificate,
  issuers: X509Certificate[],
  trusted: X509Certificate[],
): Promise<{ certificates: X509Certificate[] } | Omit<Verification, 'claims'>> {
  const path = [leaf];
  for (let current = leaf; path.length <= MAX_PATH;) {
    if (current.subject === current.issuer && (await isSignedBy(current, current))) {
      return trusted.some((root) => root.equal(current)) && path.length > 1
        ? { certificates: path }
        : { valid: false, code: 'untrusted', detail: 'the certificate is its own issuer' };
    }
    const named = issuers.filter((one) => one.subject === current.issuer && !path.includes(one));
    if (named.length === 0) return { valid: false, code: 'untrusted', detail: `nobody vouches for ${current.subject}` };
    const signer: X509Certificate | undefined = (
      await Promise.all(named.map(async (one) => ((await isSignedBy(current, one)) ? one : undefined)))
    ).find((one) => one !== undefined);
    if (!signer)
      return { valid: false, code: 'invalid_signature', detail: `${current.subject} is not signed by its issuer` };
    path.push(signer);
    current = signer;
  }
  return { valid: false, code: 'untrusted', detail: 'the chain is too long' };
}

async function isSignedBy(certificate: X509Certificate, issuer: X509Certificate): Promise<boolean> {
  try {
    return await certificate.verify({ publicKey: issuer.publicKey, signatureOnly: true });
  } catch {
    return false;
  }
}

/** @param depth 0 is the leaf; every other one signs the one before it */
function flawOf(certificate: X509Certificate, depth: number, now: Date): { code: string; detail: string } | undefined {
  if (now < certificate.notBefore) return { code: 'not_yet_valid', detail: 'it is not valid yet' };
  if (now > certificate.notAfter) return { code: 'expired', detail: 'it has expired' };
  const { name, hash } = certificate.signatureAlgorithm as { name: string; hash?: { name: string } };
  if (hash ? !HASHES.has(hash.name) : name !== 'Ed25519') {
    return { code: 'weak_signature', detail: `its signature algorithm is not accepted` };
  }
  const unknown = certificate.extensions.find(({ critical, type }) => critical && !UNDERSTOOD.has(type));
  if (unknown) return { code: 'unhandled_extension', detail: `it has the critical extension ${unknown.type}` };
  if (depth === 0) return undefined;
  const constraints = certificate.getExtension(BasicConstraintsExtension);
  if (!constraints?.ca) return { code: 'not_a_ca', detail: 'it may not issue certificates (basicConstraints)' };
  if (constraints.pathLength !== undefined && depth - 1 > constraints.pathLength) {
    return { code: 'path_too_long', detail: 'more certificates stand under it than it allows' };
  }
  return mayDo(certificate, KeyUsageFlags.keyCertSign)
    ? undefined
    : { code: 'not_a_ca', detail: 'it may not sign certificates (keyUsage)' };
}

/** Whether the keyUsage, when there is one, allows it. */
function mayDo(certificate: X509Certificate, flag: KeyUsageFlags): boolean {
  const usage = certificate.getExtension(KeyUsagesExtension);
  return !usage || (usage.usages & flag) !== 0;
}

function claimsOf({ serialNumber, subject, issuer, notBefore, notAfter }: X509Certificate): Record<string, unknown> {
  return {
    serial: serialNumber,
    subject,
    issuer,
    not_before: notBefore.toISOString(),
    not_after: notAfter.toISOString(),
  };
}
