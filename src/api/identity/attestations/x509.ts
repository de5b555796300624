import { certificateStatus, parseSerial } from '../../../domain/certificates.ts';
import { findBySerial } from '../../../store/certificates/rows.ts';
import { listTrustBundles, type TrustBundleRow } from '../../../store/trust-bundles.ts';
import { verifiesUnder } from '../../../trust/jws.ts';
import { parseSpiffeId } from '../../../trust/spiffe.ts';
import {
  ChainRefused,
  readCertificates,
  verifyChain,
  type Anchor,
  type VerifiedLeaf,
} from '../../../trust/x509-chain.ts';
import { Failed, namesOf, parsedJws, passed, type Attestation, type Check, type Subject } from './evidence.ts';
import { checkNonceClaims } from './nonce.ts';
import { checkLists } from './revocation-lists.ts';

/**
 * `{type: "x509", jws, chain?, crls?}`: a certificate that names the agent, leading to a trust anchor of the organization or
 * issued here, and a statement over a nonce as for `signed-nonce`, signed by the certificate's key. The chain is PEM, or `x5c` of the
 * statement's header; `crls` are revocation lists in PEM. A certificate alone proves nothing: everybody can read it.
 * @throws Failed
 */
export async function* checkX509({ jws: token, chain, crls }: Attestation, subject: Subject): AsyncGenerator<Check> {
  const jws = parsedJws(token, 'jws');
  const bundles = await listTrustBundles(subject.db, subject.tenant);
  const leaf = await verifiedLeaf(chain ?? jws.header['x5c'], bundles, subject);
  yield passed('chain_valid', `The chain leads to a trust anchor of ${leaf.trustDomain}`);
  const kept = bundles.find(({ trustDomain }) => trustDomain === leaf.trustDomain)?.x509Crls ?? [];
  yield (await stateOfOurs(leaf, subject)) ?? (await checkLists(leaf, kept, crls, subject.now));
  yield passed('certificate_subject', `The certificate names the agent: ${nameIn(leaf, subject)}`);
  if (!(await verifiesUnder(jws, leaf.key))) {
    throw new Failed('signature_valid', 'The statement is not signed by the key of the certificate');
  }
  yield passed('signature_valid', 'The statement is signed by the key of the certificate');
  yield* checkNonceClaims(jws, subject);
}

/** What certificates that were issued here are said to be trusted by. */
const HERE = 'this installation';

/**
 * A certificate that was issued here is good while it is active, by whatever anchor it came in; `undefined` for others.
 */
async function stateOfOurs(leaf: VerifiedLeaf, { db, agent, now }: Subject): Promise<Check | undefined> {
  const serial = parseSerial(leaf.serialNumber);
  const ours = serial === undefined ? undefined : await findBySerial(db, serial);
  if (!ours && leaf.trustDomain !== HERE) return undefined;
  const status =
    ours && ours.agentId === agent.id
      ? certificateStatus(ours.status, ours.expiresAt.getTime(), now.getTime())
      : 'not of this agent';
  if (status !== 'active') throw new Failed('certificate_status', `The certificate is ${status}`);
  return passed('certificate_status', 'The certificate is active');
}

async function verifiedLeaf(
  chain: unknown,
  bundles: readonly TrustBundleRow[],
  { now, authorities }: Subject,
): Promise<VerifiedLeaf> {
  const texts = [chain].flat();
  if (chain === undefined || !texts.every((text) => typeof text === 'string')) {
    throw new Failed('chain_valid', 'attestation.chain must be PEM, or the statement must carry x5c');
  }
  try {
    const anchors = bundles.flatMap(({ trustDomain, x509Anchors }): Anchor[] =>
      x509Anchors.flatMap((pem) => readCertificates([pem])).map((certificate) => ({ certificate, trustDomain })),
    );
    for (const { role, certificate } of await authorities.all()) {
      if (role === 'responder') continue;
      const [ours] = readCertificates([certificate.toString('base64')]);
      anchors.push({ certificate: ours!, trustDomain: HERE });
    }
    return await verifyChain(readCertificates(texts), anchors, now);
  } catch (error) {
    if (!(error instanceof ChainRefused)) throw error;
    throw new Failed('chain_valid', error.message);
  }
}

/**
 * The URI by which the certificate names the agent. A SPIFFE id is good only under the anchors of its own trust domain,
 * and only when it is the one URI (X509-SVID §2).
 */
function nameIn({ uris, trustDomain }: VerifiedLeaf, { agent }: Subject): string {
  const names = namesOf(agent).filter((name) => name.includes(':'));
  const name = uris.find((uri) => names.includes(uri));
  if (name === undefined) throw new Failed('certificate_subject', 'The certificate does not name this agent by URI');
  const spiffe = uris.filter((uri) => uri.toLowerCase().startsWith('spiffe:'));
  if (spiffe.length > 0 && (uris.length > 1 || parseSpiffeId(spiffe[0]!)?.trustDomain !== trustDomain)) {
    throw new Failed('certificate_subject', `A SPIFFE id must stand alone, and under the anchors of its trust domain`);
  }
  return name;
}
