import { createPublicKey, verify } from 'node:crypto';
import type { JWK } from 'jose';
import { canonicalJson } from '../../trust/canonical.ts';

/** The keys that an installation publishes, by id. @throws Error when it does not answer */
export async function publishedKeys(api: string, signal: AbortSignal): Promise<Map<string, JWK>> {
  const response = await fetch(`${api}/.well-known/jwks.json`, { signal });
  if (!response.ok) throw new Error(`the published keys: answered ${response.status}`);
  const { keys } = (await response.json()) as { keys: JWK[] };
  return new Map(keys.map((key) => [key.kid!, key]));
}

/** Whether an event of the log is signed: Ed25519 over the RFC 8785 form of all members but the signature's own. */
export function verifies(
  { signature, signature_key_id: kid, ...event }: { signature: string; signature_key_id: string },
  keys: Map<string, JWK>,
): boolean {
  const jwk = keys.get(kid);
  if (!jwk) return false;
  const key = createPublicKey({ key: jwk as Record<string, string>, format: 'jwk' });
  return verify(null, Buffer.from(canonicalJson(event)), key, Buffer.from(signature, 'base64url'));
}
