import { createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto';
import { calculateJwkThumbprint, type JWK } from 'jose';
import { z } from 'zod';
import { toTypeId } from '../../domain/ids.ts';
import type { AgentKeyRow, NewAgentKey } from '../../store/agent-keys.ts';
import { invalidFields, invalidRequest } from '../pipeline/invalid-request.ts';
import { shortText, timeIn, timeOut, typeId } from '../schemas.ts';

/** Members that only a private or secret key has (RFC 7518 §6.2.2, §6.3.2, §6.4.1; RFC 8037 §2). */
const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'];
const MIN_RSA_BITS = 2048;

export const KeyInput = z.strictObject({
  jwk: z.record(z.string(), z.unknown()).optional(),
  pem: z.string().max(20_000).optional(),
  label: shortText.optional(),
  not_after: timeIn.optional(),
});

export const AgentKey = z
  .object({
    key_id: typeId('key'),
    thumbprint: z.string(),
    alg: z.string(),
    status: z.enum(['active', 'revoked']),
    label: z.string().nullable(),
    jwk: z.record(z.string(), z.unknown()),
    not_after: timeOut.nullable(),
    revoked_at: timeOut.nullable(),
    created_at: timeOut,
  })
  .meta({ id: 'AgentKey' });

export function printKey(row: AgentKeyRow) {
  return {
    key_id: toTypeId('key', row.id),
    thumbprint: row.thumbprint,
    alg: row.alg,
    status: row.status,
    label: row.label,
    jwk: row.jwk,
    not_after: row.notAfter?.toISOString() ?? null,
    revoked_at: row.revokedAt?.toISOString() ?? null,
    created_at: row.createdAt.toISOString(),
  };
}

/**
 * Reads a public key: Ed25519, P-256, P-384, or RSA of at least 2048 bits. Only its defining members are kept.
 * @param at path of the input, for refusals
 * @throws Problem `invalid_request`; a private key is refused by name, so that its sender learns to replace it
 */
export async function readKey(input: z.output<typeof KeyInput>, at = ''): Promise<NewAgentKey> {
  if ((input.jwk === undefined) === (input.pem === undefined)) {
    const message = 'is needed: exactly one of jwk and pem';
    throw invalidFields(['jwk', 'pem'].map((name) => ({ path: at + name, message })));
  }
  const path = at + (input.jwk ? 'jwk' : 'pem');
  const leaked = PRIVATE_MEMBERS.find((name) => input.jwk && name in input.jwk);
  if (leaked) throw invalidRequest(`${path}.${leaked}`, 'is a secret: send the public key, and replace this one');
  if (input.pem?.includes('PRIVATE KEY'))
    throw invalidRequest(path, 'is a private key: send the public key, and replace this one');
  const key = parseKey(input, path);
  const alg = algOf(key, path);
  const jwk = key.export({ format: 'jwk' }) as JWK;
  return { thumbprint: await calculateJwkThumbprint(jwk), alg, jwk, label: input.label, notAfter: input.not_after };
}

function parseKey({ jwk, pem }: z.output<typeof KeyInput>, path: string): KeyObject {
  try {
    return jwk ? createPublicKey({ key: jwk as JsonWebKey, format: 'jwk' }) : createPublicKey(pem!);
  } catch {
    throw invalidRequest(path, 'is not a readable public key');
  }
}

function algOf(key: KeyObject, path: string): string {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key;
  if (type === 'ed25519') return 'EdDSA';
  if (type === 'ec' && details?.namedCurve === 'prime256v1') return 'ES256';
  if (type === 'ec' && details?.namedCurve === 'secp384r1') return 'ES384';
  if (type === 'rsa' && (details?.modulusLength ?? 0) >= MIN_RSA_BITS) return 'RS256';
  throw invalidRequest(path, 'must be Ed25519, P-256, P-384, or RSA of at least 2048 bits');
}
