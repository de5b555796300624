import { useNonce } from '../../../store/nonces.ts';
import type { Jws } from '../../../trust/jws.ts';
import { checkAudience, Failed, namesOf, passed, type Check, type Subject } from './evidence.ts';

/**
 * Checks the claims `{nonce, aud, agent}` of a signed statement, and uses the nonce up. Last of all checks: a statement
 * that is refused for another reason leaves the nonce good.
 * @throws Failed
 */
export async function* checkNonceClaims({ claims }: Jws, subject: Subject): AsyncGenerator<Check> {
  const { db, tenant, agent, audience, now } = subject;
  yield checkAudience(claims['aud'], audience);
  if (!namesOf(agent).includes(claims['agent'] as string)) {
    throw new Failed('token_subject', 'The statement is about another agent');
  }
  yield passed('token_subject', 'The statement is about this agent');
  const { nonce } = claims;
  if (typeof nonce !== 'string') throw new Failed('nonce_unused', 'The statement has no nonce');
  const standing = await useNonce(db, tenant, { nonce, agentId: agent.id, now });
  if (standing === 'used') throw new Failed('nonce_unused', 'The nonce was used before', 'nonce_reused');
  if (standing !== 'good') {
    const why = standing === 'expired' ? 'has expired' : 'was not given to this agent';
    throw new Failed('nonce_unused', `The nonce ${why}`);
  }
  yield passed('nonce_unused', 'The nonce was given to this agent and used for the first time');
}
