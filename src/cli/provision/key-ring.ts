import type { JWK } from 'jose';
import { publicJwkOf, signingKeysOf } from '../../trust/signing.ts';
import { CommandError } from '../output.ts';
import { makeSigningKey } from './keys.ts';

/**
 * The keys in a keystore: the first signs, a private one behind it is the next, public ones only verify. Each step of a
 * rotation is one function of the set, so that a step done twice does no harm.
 */
export interface KeyRing {
  keys: JWK[];
}

export function ringOf(text: string): KeyRing {
  return { keys: signingKeysOf(JSON.parse(text)) };
}

export interface RingEntry {
  kid: string;
  role: 'signs' | 'next' | 'verifies';
}

export async function rolesIn({ keys }: KeyRing): Promise<RingEntry[]> {
  return Promise.all(
    keys.map(async (key, index) => ({
      kid: (await publicJwkOf(key)).kid!,
      role: index === 0 ? 'signs' : 'd' in key ? 'next' : 'verifies',
    })),
  );
}

/** 1. A fresh key beside the present one: published, and not signing yet. @throws CommandError when there is one already */
export async function withNext({ keys }: KeyRing): Promise<KeyRing> {
  if (nextOf(keys)) throw new CommandError('There is a next key already: switch to it, or withdraw it.');
  return { keys: [...keys, await makeSigningKey()] };
}

/** 2. The next key signs; of the former one only the public half is left. @throws CommandError when there is no next key */
export async function switched({ keys }: KeyRing): Promise<KeyRing> {
  const next = nextOf(keys);
  if (!next) throw new CommandError('There is no next key: run `publish` first, and let verifiers learn of it.');
  return { keys: [next, ...(await Promise.all(keys.filter((key) => key !== next).map(publicJwkOf)))] };
}

/** 3. A key is gone that does not sign. @throws CommandError when it signs, or is not there */
export async function without(ring: KeyRing, kid: string): Promise<KeyRing> {
  const roles = await rolesIn(ring);
  const role = roles.find((entry) => entry.kid === kid)?.role;
  if (role === undefined) throw new CommandError(`There is no key ${kid} in the keystore.`);
  if (role === 'signs') throw new CommandError('That key signs: switch to another one first.');
  return { keys: ring.keys.filter((_, index) => roles[index]!.kid !== kid) };
}

function nextOf(keys: JWK[]): JWK | undefined {
  return keys.slice(1).find((key) => 'd' in key);
}
