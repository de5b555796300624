import { z } from 'zod';
import { Problem } from '../../domain/errors.ts';
import { toTypeId } from '../../domain/ids.ts';
import { isLive, type AgentKeyRow, type NewAgentKey } from '../../store/agent-keys.ts';
import { KeyRefused, readJwk, readPem, type PublicKey } from '../../trust/public-key.ts';
import { invalidFields, invalidRequest } from '../pipeline/invalid-request.ts';
import { shortText, timeIn, timeOut, typeId } from '../schemas.ts';

/** A public key as input, one way or the other. */
export const keyMembers = {
  jwk: z.record(z.string(), z.unknown()).optional(),
  pem: z.string().max(20_000).optional(),
  label: shortText.optional(),
};

export const KeyInput = z.strictObject({ ...keyMembers, not_after: timeIn.optional() });

export const AgentKey = z
  .object({
    key_id: typeId('key'),
    thumbprint: z.string(),
    alg: z.string(),
    status: z.enum(['active', 'expired', 'revoked']),
    label: z.string().nullable(),
    jwk: z.record(z.string(), z.unknown()),
    not_after: timeOut.nullable(),
    revoked_at: timeOut.nullable(),
    revocation_reason: z.string().nullable(),
    replaces: typeId('key').nullable().meta({ description: 'The key that this one was rotated in for' }),
    created_at: timeOut,
  })
  .meta({ id: 'AgentKey' });

export function printKey(row: AgentKeyRow) {
  return {
    key_id: toTypeId('key', row.id),
    thumbprint: row.thumbprint,
    alg: row.alg,
    status: row.status === 'active' && !isLive(row, new Date()) ? 'expired' : row.status,
    label: row.label,
    jwk: row.jwk,
    not_after: row.notAfter?.toISOString() ?? null,
    revoked_at: row.revokedAt?.toISOString() ?? null,
    revocation_reason: row.revocationReason,
    replaces: row.replaces && toTypeId('key', row.replaces),
    created_at: row.createdAt.toISOString(),
  };
}

type KeyMembers = Pick<z.output<typeof KeyInput>, 'jwk' | 'pem' | 'label' | 'not_after'>;

/**
 * Reads a public key: Ed25519, P-256, P-384, or RSA of at least 2048 bits. Only its defining members are kept.
 * @param at path of the input, for refusals
 * @throws Problem `invalid_request`, or `weak_key`; a private key is refused by name, so that its sender replaces it
 */
export async function readKey(input: KeyMembers, at = ''): Promise<NewAgentKey> {
  if ((input.jwk === undefined) === (input.pem === undefined)) {
    const message = 'is needed: exactly one of jwk and pem';
    throw invalidFields(['jwk', 'pem'].map((name) => ({ path: at + name, message })));
  }
  if (input.not_after && input.not_after <= new Date()) throw invalidRequest(`${at}not_after`, 'must be in the future');
  const path = at + (input.jwk ? 'jwk' : 'pem');
  const key = await orRefuse(path, () => (input.jwk ? readJwk(input.jwk) : readPem(input.pem!)));
  return { ...key, label: input.label, notAfter: input.not_after };
}

/** Names the member that is to blame: `jwk.n`, or `pem` as a whole. @throws Problem */
export async function orRefuse(path: string, read: () => Promise<PublicKey>): Promise<PublicKey> {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof KeyRefused)) throw error;
    const member =
      error.member && path !== 'did' && path !== 'document' && !path.endsWith('pem') ? `${path}.${error.member}` : path;
    if (error.kind !== 'weak') throw invalidRequest(member, error.message);
    throw new Problem('weak_key', `The key protects nothing: ${member} ${error.message}.`, {
      fields: [{ path: member, message: error.message }],
    });
  }
}
