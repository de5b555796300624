import { z } from 'zod';
import { Problem } from '../../domain/errors.ts';
import { toTypeId } from '../../domain/ids.ts';
import { ROLES, rolesBeyond, scopesOfRoles, type Role } from '../../domain/roles.ts';
import { MEMBER_STATUSES, type MemberRow } from '../../store/members.ts';
import { shortText, timeOut, typeId } from '../schemas.ts';

export const roles = z
  .array(z.enum(ROLES))
  .min(1)
  .max(ROLES.length)
  .transform((given) => ROLES.filter((role) => given.includes(role)))
  .meta({ type: 'array', items: { type: 'string', enum: [...ROLES] }, example: ['developer'] });

export const NewMember = z.strictObject({
  email: z
    .email()
    .max(254)
    .transform((text) => text.toLowerCase())
    .meta({ type: 'string', format: 'email', example: 'ada@example.com' }),
  name: shortText,
  roles,
});

export const Member = z
  .object({
    member_id: typeId('mbr'),
    email: z.string(),
    name: z.string(),
    roles: z.array(z.enum(ROLES)),
    scopes: z.array(z.string()).meta({ description: 'What the roles allow together' }),
    status: z.enum(MEMBER_STATUSES),
    created_at: timeOut,
    updated_at: timeOut,
  })
  .meta({ id: 'Member' });

export function printMember(row: MemberRow) {
  return {
    member_id: toTypeId('mbr', row.id),
    email: row.email,
    name: row.name,
    roles: row.roles,
    scopes: scopesOfRoles(row.roles),
    status: row.status,
    created_at: row.createdAt.toISOString(),
    updated_at: row.updatedAt.toISOString(),
  };
}

/** Nobody gives or takes a role that holds more than they do. @throws Problem `insufficient_scope` naming `member` */
export function refuseRolesBeyond(scopes: string[], given: readonly Role[], member: string): void {
  const beyond = rolesBeyond(scopes, given);
  if (beyond.length === 0) return;
  throw new Problem('insufficient_scope', `This credential has less than ${beyond.join(', ')} may do.`, {
    fields: [{ path: member, message: `may not name ${beyond.join(', ')}` }],
  });
}
