import { Problem } from '../../domain/errors.ts';
import { toTypeId } from '../../domain/ids.ts';
import type { Role } from '../../domain/roles.ts';
import type { Tenant } from '../../domain/types.ts';
import { recordFact } from '../../store/facts.ts';
import { holdMemberAndOwners, updateMember, type MemberRow, type MemberStatus } from '../../store/members.ts';
import type { Db } from '../../store/pool.ts';
import { found } from '../not-found.ts';
import { refuseRolesBeyond } from './member-body.ts';

export interface MemberChange {
  tenant: Tenant;
  id: string;
  /** Scopes of whoever asks. */
  scopes: string[];
  actor: string;
  name?: string | undefined;
  roles?: Role[] | undefined;
  status?: MemberStatus | undefined;
}

/**
 * Changes a member in the caller's transaction; a change that changes nothing is not recorded.
 * @throws Problem `not_found`, `insufficient_scope`, `unprocessable` (a removed member), `resource_conflict` (last owner)
 */
export async function changeMember(db: Db, change: MemberChange): Promise<MemberRow> {
  const { tenant, scopes, actor } = change;
  const { member: held, owners } = await holdMemberAndOwners(db, tenant, change.id);
  const before = found(held, 'member', 'id');
  const after = {
    id: before.id,
    name: change.name ?? before.name,
    roles: change.roles ?? before.roles,
    status: change.status ?? before.status,
  };
  const changed = (['name', 'roles', 'status'] as const).filter((key) => String(before[key]) !== String(after[key]));
  if (changed.length === 0) return before;
  if (before.status === 'removed') throw new Problem('unprocessable', 'The member was removed: invite them anew.');
  refuseRolesBeyond(scopes, before.roles, 'id');
  refuseRolesBeyond(scopes, after.roles, 'roles');
  refuseWithoutOwner(owners, after);
  const at = new Date();
  const row = await updateMember(db, tenant, after, at);
  await recordFact(db, {
    tenant,
    at,
    type: row.status === 'removed' ? 'member.removed' : 'member.changed',
    actor,
    subject: toTypeId('mbr', row.id),
    body: Object.fromEntries(changed.map((key) => [key, { from: before[key], to: row[key] }])),
    events: [],
  });
  return row;
}

/** Somebody must stay who may do everything: an active owner once there is one, until then one who is invited. */
function refuseWithoutOwner(owners: MemberRow[], after: Pick<MemberRow, 'id' | 'roles' | 'status'>): void {
  const left = owners
    .map((owner) => (owner.id === after.id ? { ...owner, ...after } : owner))
    .filter((owner) => owner.roles.includes('owner'));
  for (const status of ['active', 'invited'] as const) {
    if (!owners.some((owner) => owner.status === status)) continue;
    if (left.some((owner) => owner.status === status || owner.status === 'active')) return;
    throw new Problem('resource_conflict', 'This is the last owner: make somebody else an owner first.', {
      fields: [{ path: 'id', message: 'names the last owner' }],
    });
  }
}
