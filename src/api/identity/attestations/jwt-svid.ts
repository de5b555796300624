import { findTrustBundle } from '../../../store/trust-bundles.ts';
import { verifiesUnder } from '../../../trust/jws.ts';
import { readJwk } from '../../../trust/public-key.ts';
import { parseSpiffeId } from '../../../trust/spiffe.ts';
import {
  checkAudience,
  checkFreshness,
  Failed,
  parsedJws,
  passed,
  type Attestation,
  type Check,
  type Subject,
} from './evidence.ts';

/** JWT-SVID §2.1: RSA and ECDSA only. */
const ALGORITHM = /^(?:RS|PS|ES)(?:256|384|512)$/;

/**
 * `{type: "jwt-svid", token}`: a SPIFFE JWT-SVID whose `sub` is the agent's SPIFFE id, judged by the trust bundle of its
 * trust domain, which the organization configured.
 * @throws Failed
 */
export async function* checkJwtSvid({ token }: Attestation, subject: Subject): AsyncGenerator<Check> {
  const { db, tenant, agent, audience, now } = subject;
  const jws = parsedJws(token, 'token');
  const { header, claims } = jws;
  const { typ, kid, alg } = header;
  if (typ !== undefined && typ !== 'JWT' && typ !== 'JOSE') throw new Failed('token_parsed', 'typ must be JWT or JOSE');
  if (!ALGORITHM.test(alg)) throw new Failed('signature_algorithm', `A JWT-SVID is not signed by ${alg}`);
  const id = parseSpiffeId(agent.spiffeId ?? '');
  if (!id) throw new Failed('token_subject', 'The agent has no SPIFFE id');
  if (claims['sub'] !== agent.spiffeId) throw new Failed('token_subject', 'The token is about another SPIFFE id');
  yield passed('token_subject', `The token is about ${agent.spiffeId}`);
  const bundle = await findTrustBundle(db, tenant, id.trustDomain);
  if (!bundle) throw new Failed('trust_bundle', `There is no trust bundle of ${id.trustDomain}`);
  const jwk = bundle.jwtKeys.find((key) => key.kid === kid);
  if (!jwk) throw new Failed('key_registered', `The token names no key of the trust bundle of ${id.trustDomain}`);
  yield passed('key_registered', `The token names a key of the trust bundle of ${id.trustDomain}`);
  if (!(await verifiesUnder(jws, await readJwk(jwk)))) {
    throw new Failed('signature_valid', 'The signature does not verify');
  }
  yield passed('signature_valid', `Signed by a key of the trust bundle of ${id.trustDomain}`);
  yield checkFreshness(claims, now);
  yield checkAudience(claims['aud'], audience);
}
