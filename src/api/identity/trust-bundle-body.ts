import type { X509Certificate, X509Crl } from '@peculiar/x509';
import { z } from 'zod';
import { sha256Hex } from '../../trust/canonical.ts';
import type { TrustBundleRow } from '../../store/trust-bundles.ts';
import { ChainRefused, isAuthority, readCertificates } from '../../trust/x509-chain.ts';
import { orRefuse } from '../agents/key-body.ts';
import { invalidFields, invalidRequest } from '../pipeline/invalid-request.ts';
import { readJwk } from '../../trust/public-key.ts';
import { readCrls } from '../../verify/certificate-crl.ts';

const MAX_ENTRIES = 50;

export const TrustBundleInput = z.strictObject({
  jwks: z
    .looseObject({ keys: z.array(z.record(z.string(), z.unknown())).max(MAX_ENTRIES) })
    .optional()
    .meta({ description: 'Keys that sign JWT-SVIDs, each with a `kid`; or a whole SPIFFE bundle' }),
  x509_anchors: z
    .array(z.string().max(100_000))
    .max(MAX_ENTRIES)
    .optional()
    .meta({ description: 'Certificates of authorities, in PEM' }),
  x509_crls: z
    .array(z.string().max(1_000_000))
    .max(MAX_ENTRIES)
    .optional()
    .meta({ description: 'Their revocation lists, in PEM: with one, a chain is good only while a list clears it' }),
});

type Bundle = Pick<TrustBundleRow, 'jwtKeys' | 'x509Anchors' | 'x509Crls'> & {
  summary: { anchors: string[]; lists: string[] };
};

/** Reads keys, anchors and lists; `summary` names certificates and lists by SHA-256 of their DER. @throws Problem */
export async function readTrustBundle({
  jwks,
  x509_anchors = [],
  x509_crls = [],
}: z.output<typeof TrustBundleInput>): Promise<Bundle> {
  const jwtKeys: Bundle['jwtKeys'] = [];
  const pems: { text: string; path: string }[] = x509_anchors.map((text, i) => ({ text, path: `x509_anchors.${i}` }));
  for (const [i, entry] of (jwks?.keys ?? []).entries()) {
    const path = `jwks.keys.${i}`;
    // SPIFFE Trust Domain and Bundle §4.2.2, §4.2.4: the use decides; an authority is one certificate in x5c.
    if (entry['use'] === 'x509-svid') {
      const [certificate] = [entry['x5c']].flat();
      if (typeof certificate !== 'string') throw invalidRequest(`${path}.x5c`, 'is required with use x509-svid');
      pems.push({ text: certificate, path: `${path}.x5c` });
      continue;
    }
    const { kid } = entry;
    if (typeof kid !== 'string' || kid === '') throw invalidRequest(`${path}.kid`, 'is required');
    if (jwtKeys.some((key) => key.kid === kid)) throw invalidRequest(`${path}.kid`, 'is there twice');
    const { jwk } = await orRefuse(path, () => readJwk(entry));
    jwtKeys.push({ ...jwk, kid });
  }
  const certificates = pems.flatMap(({ text, path }) => readAnchors(text, path));
  if (jwtKeys.length + certificates.length === 0) {
    const message = 'is needed: at least one key or certificate';
    throw invalidFields(['jwks', 'x509_anchors'].map((path) => ({ path, message })));
  }
  const lists = (await Promise.all(x509_crls.map((text, i) => readLists(text, certificates, `x509_crls.${i}`)))).flat();
  const names = (all: { rawData: ArrayBuffer }[]) => all.map(({ rawData }) => sha256Hex(Buffer.from(rawData)));
  return {
    jwtKeys,
    x509Anchors: certificates.map((certificate) => certificate.toString('pem')),
    x509Crls: lists.map((list) => list.toString('pem')),
    summary: { anchors: names(certificates), lists: names(lists) },
  };
}

/** One that was to be of an anchor and is not signed by it would refuse every chain. */
async function readLists(text: string, anchors: readonly X509Certificate[], path: string): Promise<X509Crl[]> {
  const lists = readCrls(text);
  if (!lists) throw invalidRequest(path, 'cannot be read as a revocation list');
  for (const list of lists) {
    if (!list.nextUpdate) throw invalidRequest(path, 'must say until when it is good (nextUpdate)');
    const named = anchors.filter(({ subject }) => subject === list.issuer);
    const signed = await Promise.all(named.map(({ publicKey }) => list.verify({ publicKey }).catch(() => false)));
    if (named.length > 0 && !signed.includes(true))
      throw invalidRequest(path, 'must be signed by the anchor of its name');
  }
  return lists;
}

function readAnchors(text: string, path: string) {
  try {
    const certificates = readCertificates([text]);
    if (certificates.every(isAuthority)) return certificates;
  } catch (error) {
    if (!(error instanceof ChainRefused)) throw error;
    throw invalidRequest(path, 'cannot be read as a certificate');
  }
  throw invalidRequest(path, 'must be of an authority (basic constraints, CA)');
}
