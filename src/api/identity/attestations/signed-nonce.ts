import { checkSignedByAgent } from './agent-jws.ts';
import { parsedJws, type Attestation, type Check, type Subject } from './evidence.ts';
import { checkNonceClaims } from './nonce.ts';

/**
 * `{type: "signed-nonce", jws}`: a compact JWS over `{nonce, aud, agent}`, signed by a live key of the agent; the nonce
 * comes from `POST /v1/identities/nonces`.
 * @throws Failed
 */
export async function* checkSignedNonce({ jws: token }: Attestation, subject: Subject): AsyncGenerator<Check> {
  const jws = parsedJws(token, 'jws');
  yield* checkSignedByAgent(jws, subject);
  yield* checkNonceClaims(jws, subject);
}
