import { z } from 'zod';
import { Problem } from '../../domain/errors.ts';
import { toTypeId } from '../../domain/ids.ts';
import { ROLES } from '../../domain/roles.ts';
import { recordFact } from '../../store/facts.ts';
import { findMember, insertMember, listMembers, MEMBER_STATUSES } from '../../store/members.ts';
import { decodeCursor, encodeCursor } from '../cursor.ts';
import { found } from '../not-found.ts';
import { route, type AnyRoute } from '../route.ts';
import { idOf, listOf, pageQuery, shortText } from '../schemas.ts';
import { changeMember } from './change-member.ts';
import { Member, NewMember, printMember, refuseRolesBeyond, roles } from './member-body.ts';
import { organizationRoutes } from './organization-routes.ts';

const tags = ['Members'];
const read = { method: 'get', scope: 'members:read', idempotency: 'none', replay: 'none', tags } as const;
const write = { scope: 'members:write', idempotency: 'required', replay: 'stored', tags } as const;
const params = z.object({ id: idOf('mbr') });

/** The people of an organization and what they may do, for whatever lets people in; and the organization itself. */
export function memberRoutes(): AnyRoute[] {
  return [
    route({
      ...write,
      method: 'post',
      path: '/v1/members',
      summary: 'Invites a member; no role may hold more than the credential that gives it.',
      body: NewMember,
      example: { email: 'ada@example.com', name: 'Ada Lovelace', roles: ['developer', 'auditor'] },
      responses: { 201: Member },
      handler: async ({ body, tenant, credential, actor, db }) => {
        refuseRolesBeyond(credential.scopes, body.roles, 'roles');
        const row = await insertMember(db, tenant, body);
        if (!row) {
          throw new Problem('resource_conflict', 'A member has this address already.', {
            fields: [{ path: 'email', message: 'is the address of a member' }],
          });
        }
        await recordFact(db, {
          tenant,
          at: row.createdAt,
          type: 'member.invited',
          actor,
          subject: toTypeId('mbr', row.id),
          body: { email: row.email, roles: row.roles },
          events: [],
        });
        return { status: 201, body: printMember(row) };
      },
    }),
    route({
      ...read,
      path: '/v1/members',
      summary: 'Members in the order in which they were invited.',
      query: z.strictObject({
        ...pageQuery,
        status: z.enum(MEMBER_STATUSES).optional(),
        role: z.enum(ROLES).optional(),
      }),
      responses: { 200: listOf(Member) },
      handler: async ({ query: { cursor, ...query }, tenant, db }) => {
        const after = cursor === undefined ? undefined : String(decodeCursor(cursor, ['uuid'])[0]);
        const rows = await listMembers(db, tenant, { ...query, after, limit: query.limit + 1 });
        const shown = rows.slice(0, query.limit);
        const next_cursor = rows.length > shown.length ? encodeCursor([shown.at(-1)!.id]) : null;
        return { status: 200, body: { data: shown.map(printMember), next_cursor } };
      },
    }),
    route({
      ...read,
      path: '/v1/members/:id',
      summary: 'One member.',
      params,
      responses: { 200: Member },
      handler: async ({ params, tenant, db }) => ({
        status: 200,
        body: printMember(found(await findMember(db, tenant, params.id), 'member', 'id')),
      }),
    }),
    route({
      ...write,
      method: 'patch',
      path: '/v1/members/:id',
      summary: 'Changes name, roles or status of a member; the last owner stays one.',
      params,
      body: z.strictObject({
        name: shortText.optional(),
        roles: roles.optional(),
        status: z.enum(['active', 'suspended']).optional(),
      }),
      example: { roles: ['risk'], status: 'active' },
      responses: { 200: Member },
      handler: async ({ params, body, tenant, credential, actor, db }) => {
        const change = { tenant, id: params.id, scopes: credential.scopes, actor, ...body };
        return { status: 200, body: printMember(await changeMember(db, change)) };
      },
    }),
    route({
      ...write,
      method: 'delete',
      path: '/v1/members/:id',
      summary: 'Removes a member; repeating it changes nothing. The last owner cannot be removed.',
      params,
      responses: { 200: Member },
      handler: async ({ params, tenant, credential, actor, db }) => {
        const change = { tenant, id: params.id, scopes: credential.scopes, actor, status: 'removed' as const };
        return { status: 200, body: printMember(await changeMember(db, change)) };
      },
    }),
    ...organizationRoutes(),
  ];
}
