import 'reflect-metadata';
import { createPublicKey, type JsonWebKey } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import { readJwk, type PublicKey } from './public-key.ts';
import { isSignedDer } from './signed-der.ts';

/** Why a chain is not accepted; a sentence. */
export class ChainRefused extends Error {
  override readonly name = 'ChainRefused';
}

export interface Anchor {
  certificate: x509.X509Certificate;
  /** Who vouches by it. */
  trustDomain: string;
}

/** The end of a chain that leads to an anchor. */
export interface VerifiedLeaf {
  key: PublicKey;
  /** URIs of its subject alternative name (RFC 5280 §4.2.1.6). */
  uris: string[];
  subject: string;
  /** Hexadecimal. */
  serialNumber: string;
  trustDomain: string;
  /** The chain with its anchor, leaf first. */
  path: readonly x509.X509Certificate[];
}

const MAX_CERTIFICATES = 6;
const MAX_CERTIFICATE_BYTES = 16_384;
const HASHES = new Set(['SHA-256', 'SHA-384', 'SHA-512']);
/** Extensions that are looked at here (RFC 5280 §4.2); another one that is critical ends the matter. */
const JUDGED = new Set(['2.5.29.15', '2.5.29.17', '2.5.29.19', '2.5.29.37']);
const NAME_CONSTRAINTS = '2.5.29.30';
const CLIENT_AUTH = ['1.3.6.1.5.5.7.3.2', '2.5.29.37.0'];

/**
 * Reads certificates, in PEM (one text or several) or base64 of DER as in `x5c` (RFC 7515 §4.1.6).
 * @throws ChainRefused
 */
export function readCertificates(input: readonly string[]): x509.X509Certificate[] {
  const ders = input.flatMap((text) => {
    if (!text.includes('-----BEGIN')) return [Buffer.from(text, 'base64')];
    const blocks = text.match(/-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]*-----END CERTIFICATE-----/g) ?? [];
    return blocks.map((block) => Buffer.from(block.replaceAll(/-----[A-Z ]+-----|\s/g, ''), 'base64'));
  });
  if (ders.length === 0) throw new ChainRefused('There is no certificate');
  if (ders.length > MAX_CERTIFICATES) throw new ChainRefused(`There are more than ${MAX_CERTIFICATES} certificates`);
  return ders.map((der) => {
    try {
      if (der.length <= MAX_CERTIFICATE_BYTES) return new x509.X509Certificate(der);
    } catch {
      // Told below.
    }
    throw new ChainRefused('A certificate cannot be read');
  });
}

/**
 * Judges a chain, leaf first, each issued by the next, up to an anchor (RFC 5280 §6.1, without policies; certificates
 * with name constraints are refused, since they are not judged here). Whether one of it was revoked is another question;
 * an organization ends all chains of an anchor by removing it, an agent by suspending it.
 * @throws ChainRefused
 */
export async function verifyChain(
  chain: readonly x509.X509Certificate[],
  anchors: readonly Anchor[],
  now: Date,
): Promise<VerifiedLeaf> {
  try {
    return await judge(chain, anchors, now);
  } catch (error) {
    if (error instanceof ChainRefused) throw error;
    throw new ChainRefused('The chain cannot be judged: a certificate is malformed', { cause: error });
  }
}

async function judge(
  chain: readonly x509.X509Certificate[],
  anchors: readonly Anchor[],
  now: Date,
): Promise<VerifiedLeaf> {
  const [leaf] = chain as [x509.X509Certificate];
  const path = [leaf];
  let anchor: Anchor | undefined;
  for (let i = 0; anchor === undefined; i++) {
    anchor = await issuerAmong(anchors, chain[i]!);
    if (anchor) break;
    const next = chain[i + 1];
    if (!next) throw new ChainRefused('The chain does not lead to a trust anchor of the organization');
    if (!(await issued(next, chain[i]!))) throw new ChainRefused(`Certificate ${i + 1} did not sign certificate ${i}`);
    path.push(next);
  }
  path.push(anchor.certificate);
  // A list of what is revoked names serial numbers, and this is where two readings of one are told apart.
  const odd = path.slice(0, -1).findIndex(({ rawData }) => !isSignedDer(new Uint8Array(rawData), 'certificate'));
  if (odd >= 0) throw new ChainRefused(`Certificate ${odd} is not in DER, or its serial number is not positive`);
  for (const [depth, certificate] of path.entries()) checkCertificate(certificate, depth, now);
  checkLeaf(leaf);
  const names = leaf.getExtension(x509.SubjectAlternativeNameExtension)?.names.items ?? [];
  return {
    key: await strongKey(leaf),
    uris: names.filter(({ type }) => type === 'url').map(({ value }) => value),
    subject: leaf.subject,
    serialNumber: leaf.serialNumber,
    trustDomain: anchor.trustDomain,
    path,
  };
}

async function issuerAmong(anchors: readonly Anchor[], certificate: x509.X509Certificate): Promise<Anchor | undefined> {
  for (const anchor of anchors) if (await issued(anchor.certificate, certificate)) return anchor;
  return undefined;
}

async function issued(issuer: x509.X509Certificate, certificate: x509.X509Certificate): Promise<boolean> {
  if (issuer.subject !== certificate.issuer || Buffer.from(issuer.rawData).equals(Buffer.from(certificate.rawData)))
    return false;
  const { name, hash } = certificate.signatureAlgorithm as { name: string; hash?: { name: string } };
  if (hash === undefined ? name !== 'Ed25519' : !HASHES.has(hash.name)) {
    throw new ChainRefused(`A certificate is signed by a weak algorithm: ${hash?.name ?? name}`);
  }
  await strongKey(issuer);
  return certificate.verify({ publicKey: issuer.publicKey, signatureOnly: true });
}

/** @param depth 0 for the leaf; each further one must be allowed to issue what is below it */
function checkCertificate(certificate: x509.X509Certificate, depth: number, now: Date): void {
  const { notBefore, notAfter, extensions } = certificate;
  if (now < notBefore || now > notAfter) throw new ChainRefused(`Certificate ${depth} is not valid at this time`);
  const unjudged = extensions.find(
    ({ type, critical }) => type === NAME_CONSTRAINTS || (critical && !JUDGED.has(type)),
  );
  if (unjudged) throw new ChainRefused(`Certificate ${depth} has an extension that is not judged: ${unjudged.type}`);
  const constraints = certificate.getExtension(x509.BasicConstraintsExtension);
  if (depth === 0) {
    if (constraints?.ca) throw new ChainRefused('The first certificate is of an authority, not of an agent');
    return;
  }
  if (!constraints?.ca) throw new ChainRefused(`Certificate ${depth} is not of an authority`);
  if (constraints.pathLength !== undefined && depth - 1 > constraints.pathLength) {
    throw new ChainRefused(`Certificate ${depth} allows no chain of this length`);
  }
  const usage = certificate.getExtension(x509.KeyUsagesExtension);
  if (usage && !(usage.usages & x509.KeyUsageFlags.keyCertSign)) {
    throw new ChainRefused(`Certificate ${depth} may not sign certificates`);
  }
}

function checkLeaf(leaf: x509.X509Certificate): void {
  const usage = leaf.getExtension(x509.KeyUsagesExtension);
  if (usage && !(usage.usages & x509.KeyUsageFlags.digitalSignature)) {
    throw new ChainRefused('The certificate is not for signatures');
  }
  // X.509-SVID §5.2: a leaf signs neither certificates nor revocation lists.
  if (usage && usage.usages & (x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign)) {
    throw new ChainRefused('The certificate may sign certificates or revocation lists: it is not of an agent');
  }
  const extended = leaf.getExtension(x509.ExtendedKeyUsageExtension);
  if (extended && !extended.usages.some((use) => CLIENT_AUTH.includes(String(use)))) {
    throw new ChainRefused('The certificate is not for authentication');
  }
}

async function strongKey(certificate: x509.X509Certificate): Promise<PublicKey> {
  const der = Buffer.from(certificate.publicKey.rawData);
  try {
    const jwk: JsonWebKey = createPublicKey({ key: der, format: 'der', type: 'spki' }).export({ format: 'jwk' });
    return await readJwk(jwk);
  } catch (error) {
    throw new ChainRefused('A certificate has a key that is too weak or of another kind', { cause: error });
  }
}

/** Whether a certificate can be an anchor: one of an authority. */
export function isAuthority(certificate: x509.X509Certificate): boolean {
  return certificate.getExtension(x509.BasicConstraintsExtension)?.ca === true;
}
