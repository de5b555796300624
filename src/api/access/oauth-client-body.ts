import type { JWK } from 'jose';
import { z } from 'zod';
import { covers, SCOPES } from '../../domain/access-scopes.ts';
import { Problem } from '../../domain/errors.ts';
import { toTypeId } from '../../domain/ids.ts';
import type { ClientRecord } from '../../store/oauth-client-records.ts';
import { readKey } from '../agents/key-body.ts';
import { invalidRequest } from '../pipeline/invalid-request.ts';
import { idOf, shortText, timeOut, typeId } from '../schemas.ts';

export const ClientParams = z.object({
  id: z
    .string()
    .max(64)
    .regex(/^client_[0-9a-f]{24}$/, { error: 'must be a client id (client_…)' })
    .meta({ example: 'client_0123456789abcdef01234567' }),
});
export const ClientOrganizationParams = ClientParams.extend({ organization: idOf('org') });

export const ScopesInput = z
  .array(z.enum(SCOPES as [string, ...string[]]))
  .min(1)
  .max(50);

export const JwksInput = z.strictObject({ keys: z.array(z.record(z.string(), z.unknown())).min(1).max(10) });

export const NewClient = z.strictObject({
  name: shortText,
  scopes: ScopesInput,
  auth_method: z.enum(['client_secret', 'private_key_jwt']).default('client_secret'),
  jwks: JwksInput.optional(),
  high_trust: z.boolean().default(false),
  dpop_bound_access_tokens: z.boolean().default(false),
});

export const Client = z
  .object({
    client_id: z.string(),
    name: z.string(),
    scopes: z.array(z.string()),
    mode: z.enum(['test', 'live']),
    auth_method: z.enum(['client_secret', 'private_key_jwt']),
    jwks: z.object({ keys: z.array(z.record(z.string(), z.unknown())) }).optional(),
    high_trust: z.boolean(),
    dpop_bound_access_tokens: z.boolean(),
    organizations: z
      .array(z.object({ org_id: typeId('org'), scopes: z.array(z.string()), accepted_at: timeOut.nullable() }))
      .meta({ description: 'Further organizations: offered, and accepted since' }),
    previous_secret_expires_at: timeOut.optional(),
    created_at: timeOut,
    disabled_at: timeOut.optional(),
  })
  .meta({ id: 'OauthClient' });

export function printClient(row: ClientRecord): z.input<typeof Client> {
  return {
    client_id: row.id,
    name: row.name,
    scopes: row.scopes,
    mode: row.mode,
    auth_method: row.jwks ? 'private_key_jwt' : 'client_secret',
    jwks: row.jwks ?? undefined,
    high_trust: row.highTrust,
    dpop_bound_access_tokens: row.dpopBound,
    organizations: row.organizations.map(({ orgId, scopes, acceptedAt }) => ({
      org_id: toTypeId('org', orgId),
      scopes,
      accepted_at: acceptedAt === null ? null : new Date(acceptedAt).toISOString(),
    })),
    previous_secret_expires_at: row.previousSecretUntil?.toISOString(),
    created_at: row.createdAt.toISOString(),
    disabled_at: row.revokedAt?.toISOString(),
  };
}

/**
 * The public keys of a client; each keeps the `kid` that its owner gave it, or is named by its thumbprint.
 * @throws Problem `invalid_request`; a private key is refused by name
 */
export async function readJwks(input: z.output<typeof JwksInput>): Promise<{ keys: JWK[] }> {
  const keys: JWK[] = [];
  for (const [index, jwk] of input.keys.entries()) {
    const { jwk: publicJwk, thumbprint } = await readKey({ jwk }, `jwks.keys.${index}.`);
    const { kid = thumbprint } = jwk;
    const path = `jwks.keys.${index}.kid`;
    if (typeof kid !== 'string' || kid.length > 256)
      throw invalidRequest(path, 'must be a text of at most 256 characters');
    if (keys.some((other) => other.kid === kid)) throw invalidRequest(path, 'names another key of the set already');
    keys.push({ ...publicJwk, kid });
  }
  return { keys };
}

/** A credential gives away only scopes that it has. @throws Problem `insufficient_scope` */
export function mustHold(held: string[], scopes: string[], path = 'scopes'): void {
  const beyond = scopes.filter((scope) => !covers(held, scope));
  if (beyond.length === 0) return;
  throw new Problem('insufficient_scope', `This credential cannot give away ${beyond.join(', ')}.`, {
    fields: [{ path, message: `may not contain ${beyond.join(', ')}` }],
  });
}
