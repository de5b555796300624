import { z } from 'zod';
import { covers, SCOPES } from '../../domain/access-scopes.ts';
import { Problem } from '../../domain/errors.ts';
import { scopesOfRoles } from '../../domain/roles.ts';
import type { MemberRow } from '../../store/members.ts';
import { toTypeId } from '../../domain/ids.ts';
import type { ApiKeyRow, ListedApiKey } from '../../store/api-keys.ts';
import { idOf, shortText, timeIn, timeOut, typeId } from '../schemas.ts';

export const ApiKey = z
  .object({
    key_id: typeId('key'),
    name: z.string(),
    hint: z.string().meta({ description: 'The last characters of its text' }),
    scopes: z.array(z.string()),
    mode: z.enum(['test', 'live']),
    high_trust: z.boolean(),
    member_id: typeId('mbr').optional().meta({ description: 'Whose key it is; a machine’s without' }),
    created_at: timeOut,
    expires_at: timeOut.optional(),
    rotated_at: timeOut.optional(),
    last_used_at: timeOut.optional().meta({ description: 'Up to a minute behind' }),
    revoked_at: timeOut.optional(),
    revocation_reason: z.string().optional(),
  })
  .meta({ id: 'ApiKey' });

/** A key with what is shown once. */
export const ShownApiKey = ApiKey.extend({
  api_key: z.string(),
  signing_secret: z.string().optional().meta({ description: 'Of high-trust keys: what signs their requests' }),
});

export const NewKey = z.strictObject({
  name: shortText,
  scopes: z
    .array(z.enum(SCOPES as [string, ...string[]]))
    .min(1)
    .max(50),
  high_trust: z.boolean().default(false),
  expires_at: timeIn.optional(),
  member_id: idOf('mbr')
    .optional()
    .meta({ description: 'The member whose key it is: the person that counts in reviews. Needs members:write.' }),
});

export function printApiKey(row: ApiKeyRow & Partial<Pick<ListedApiKey, 'lastUsedAt'>>) {
  return {
    key_id: toTypeId('key', row.id),
    name: row.name,
    hint: row.hint,
    scopes: row.scopes,
    mode: row.mode,
    high_trust: row.highTrust,
    member_id: row.memberId ? toTypeId('mbr', row.memberId) : undefined,
    created_at: row.createdAt.toISOString(),
    expires_at: row.expiresAt?.toISOString(),
    rotated_at: row.rotatedAt?.toISOString(),
    last_used_at: row.lastUsedAt?.toISOString(),
    revoked_at: row.revokedAt?.toISOString(),
    revocation_reason: row.revocationReason ?? undefined,
  };
}

/**
 * A key in a member's name speaks for that person: only whoever manages members gives one, to somebody who is active,
 * and within their roles.
 * @throws Problem `insufficient_scope`, `unprocessable`
 */
export function refuseForMember(held: string[], scopes: readonly string[], member: MemberRow): void {
  refuseWithoutMembers(held, 'member_id');
  if (member.status !== 'active') {
    throw new Problem('unprocessable', `The member is ${member.status}.`, {
      fields: [{ path: 'member_id', message: 'names a member who is not active' }],
    });
  }
  const beyond = scopes.filter((scope) => !covers(scopesOfRoles(member.roles), scope));
  if (beyond.length > 0) {
    throw new Problem('unprocessable', `The member’s roles do not allow ${beyond.join(', ')}.`, {
      fields: [{ path: 'scopes', message: `may not contain ${beyond.join(', ')} for this member` }],
    });
  }
}

/** @throws Problem `insufficient_scope` naming `member` */
export function refuseWithoutMembers(held: string[], member: string): void {
  if (covers(held, 'members:write')) return;
  throw new Problem('insufficient_scope', 'A key in a member’s name needs members:write.', {
    fields: [{ path: member, message: 'needs a credential with members:write' }],
  });
}

/** Nobody hands out what they do not hold. @throws Problem `insufficient_scope` naming `member` */
export function refuseBeyond(held: string[], given: readonly string[], member: string): void {
  const beyond = given.filter((scope) => !covers(held, scope));
  if (beyond.length === 0) return;
  throw new Problem('insufficient_scope', `This credential cannot give away ${beyond.join(', ')}.`, {
    fields: [{ path: member, message: `may not contain ${beyond.join(', ')}` }],
  });
}
