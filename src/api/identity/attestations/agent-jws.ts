import type { AgentKeyRow } from '../../../store/agent-keys.ts';
import { verifiesUnder, type Jws } from '../../../trust/jws.ts';
import { carriedKey, Failed, isNamed, passed, type Check, type Subject } from './evidence.ts';

/**
 * Checks that one of the agent's live keys signed a token: the one that `kid` names, else the one that the header
 * carries, else any.
 * @throws Failed
 */
export async function* checkSignedByAgent(jws: Jws, { keys }: Subject): AsyncGenerator<Check> {
  const { kid, jwk } = jws.header;
  const { cnf } = jws.claims as { cnf?: { jwk?: unknown } | null };
  const carried = await carriedKey(jwk, keys);
  await carriedKey(cnf?.jwk, keys);
  if (keys.length === 0) throw new Failed('key_registered', 'The agent has no usable key');
  let candidates: AgentKeyRow[] = carried ? [carried] : keys;
  if (kid !== undefined) candidates = candidates.filter((key) => isNamed(key, kid as string));
  if (candidates.length === 0) {
    throw new Failed('key_registered', 'The token names a key that is not a usable key of the agent');
  }
  for (const key of candidates) {
    if (await verifiesUnder(jws, key)) {
      yield passed('key_registered', `The key ${key.thumbprint} is registered for the agent`);
      yield passed('signature_valid', `Signed by the agent’s key ${key.thumbprint}`);
      return;
    }
  }
  throw new Failed('signature_valid', 'The signature does not verify');
}
