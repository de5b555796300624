import { checkSignedByAgent } from './agent-jws.ts';
import {
  checkAudience,
  checkFreshness,
  Failed,
  namesOf,
  parsedJws,
  passed,
  type Attestation,
  type Check,
  type Subject,
} from './evidence.ts';

/**
 * `{type: "jwt", token}`: signed by a live key of the agent, with the agent as `iss` or `sub`, an expiry, and this
 * service as `aud` when it has one.
 * @throws Failed
 */
export async function* checkJwt({ token }: Attestation, subject: Subject): AsyncGenerator<Check> {
  const jws = parsedJws(token, 'token');
  yield* checkSignedByAgent(jws, subject);
  const { claims } = jws;
  const names = namesOf(subject.agent);
  if (![claims['sub'], claims['iss']].some((name) => names.includes(name as string))) {
    throw new Failed('token_subject', 'The token is about another agent');
  }
  yield passed('token_subject', 'The token is about this agent');
  yield checkFreshness(claims, subject.now);
  if (claims['aud'] !== undefined) yield checkAudience(claims['aud'], subject.audience);
}
