import { z } from 'zod';
import { toTypeId } from '../../domain/ids.ts';
import { recordFact } from '../../store/facts.ts';
import { findOrganization, renameOrganization, type OrganizationRow } from '../../store/organizations.ts';
import { found } from '../not-found.ts';
import { route, type AnyRoute } from '../route.ts';
import { shortText, timeOut, typeId } from '../schemas.ts';

const Organization = z
  .object({
    org_id: typeId('org'),
    name: z.string(),
    status: z.enum(['active', 'suspended', 'closed']),
    mode: z.enum(['test', 'live']).meta({ description: 'Of the credential that asks' }),
    created_at: timeOut,
  })
  .meta({ id: 'Organization' });

function print(row: OrganizationRow, mode: 'test' | 'live') {
  return {
    org_id: toTypeId('org', row.id),
    name: row.name,
    status: row.status,
    mode,
    created_at: row.createdAt.toISOString(),
  };
}

/** The organization of the credential. Its name is one for both modes: principals read it when they are asked. */
export function organizationRoutes(): AnyRoute[] {
  const path = '/v1/organization';
  const tags = ['Members'];
  return [
    route({
      method: 'get',
      path,
      summary: 'The organization of the credential.',
      tags,
      scope: 'organization:read',
      idempotency: 'none',
      replay: 'none',
      responses: { 200: Organization },
      handler: async ({ tenant, db }) => ({
        status: 200,
        body: print(found(await findOrganization(db, tenant.orgId), 'organization', 'credential'), tenant.mode),
      }),
    }),
    route({
      method: 'patch',
      path,
      summary: 'Renames the organization, in both modes.',
      tags,
      scope: 'organization:write',
      body: z.strictObject({ name: shortText }),
      example: { name: 'Acme' },
      idempotency: 'required',
      replay: 'stored',
      responses: { 200: Organization },
      handler: async ({ body, tenant, actor, db }) => {
        const renamed = await renameOrganization(db, tenant.orgId, body.name);
        const { row, before } = found(renamed, 'organization', 'credential');
        if (before !== row.name) {
          await recordFact(db, {
            tenant,
            at: new Date(),
            type: 'organization.renamed',
            actor,
            subject: toTypeId('org', row.id),
            body: { from: before, to: row.name },
            events: [],
          });
        }
        return { status: 200, body: print(row, tenant.mode) };
      },
    }),
  ];
}
