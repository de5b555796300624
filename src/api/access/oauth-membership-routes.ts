import { z } from 'zod';
import { Problem } from '../../domain/errors.ts';
import { toTypeId } from '../../domain/ids.ts';
import { recordFact } from '../../store/facts.ts';
import { acceptClient, findClient, offerClient, withdrawClient } from '../../store/oauth-client-records.ts';
import { findOrganization } from '../../store/organizations.ts';
import type { ApiDeps } from '../deps.ts';
import { found, notFound } from '../not-found.ts';
import { route, type AnyRoute } from '../route.ts';
import { idOf, typeId } from '../schemas.ts';
import { credentialsOf } from './credentials.ts';
import {
  Client,
  ClientOrganizationParams,
  ClientParams,
  mustHold,
  printClient,
  ScopesInput,
} from './oauth-client-body.ts';

const Accepted = z.object({ client_id: z.string(), org_id: typeId('org'), scopes: z.array(z.string()) });

/**
 * Clients that act in several organizations. The organization of the client offers it, the other accepts it and says
 * what it may do there; either ends it. From the first acceptance on the client names the organization of each request
 * (`X-Kachyng-Org`).
 */
export function oauthMembershipRoutes({ pool }: ApiDeps): AnyRoute[] {
  const write = {
    tags: ['Access'],
    scope: 'keys:write',
    method: 'post',
    idempotency: 'required',
    replay: 'stored',
  } as const;
  const forget = () => credentialsOf(pool).forget();
  return [
    route({
      ...write,
      path: '/v1/oauth-clients/:id/organizations',
      summary: 'Offers a client to another organization, which has to accept it.',
      params: ClientParams,
      body: z.strictObject({ organization_id: idOf('org') }),
      example: { organization_id: 'org_01h455vb4pex5vsknk084sn02q' },
      responses: { 200: Client },
      handler: async ({ params: { id }, body: { organization_id }, tenant, actor, db }) => {
        found(await findClient(db, tenant, id), 'OAuth client', 'id');
        if (organization_id === tenant.orgId || (await findOrganization(db, organization_id))?.status !== 'active') {
          throw new Problem('unprocessable', 'The client cannot be offered to that organization.', {
            fields: [{ path: 'organization_id', message: 'must be another active organization' }],
          });
        }
        const at = new Date();
        if (await offerClient(db, tenant, id, organization_id, at)) {
          const body = { organization: toTypeId('org', organization_id) };
          await recordFact(db, { tenant, at, type: 'oauth_client.offered', actor, subject: id, body, events: [] });
        }
        return { status: 200, body: printClient((await findClient(db, tenant, id))!) };
      },
    }),
    route({
      ...write,
      path: '/v1/oauth-clients/:id/accept',
      summary: 'Accepts a client that was offered to this organization, or changes its scopes here.',
      params: ClientParams,
      body: z.strictObject({ scopes: ScopesInput }),
      example: { scopes: ['execution:write', 'payments:write'] },
      responses: { 200: Accepted },
      handler: async ({ params: { id }, body: { scopes }, tenant, credential, actor, db, afterCommit }) => {
        mustHold(credential.scopes, scopes);
        const at = new Date();
        if (!(await acceptClient(db, tenant, id, { scopes, at }))) throw notFound('offered OAuth client', 'id');
        await recordFact(db, {
          tenant,
          at,
          type: 'oauth_client.accepted',
          actor,
          subject: id,
          body: { scopes },
          events: [],
        });
        afterCommit(forget);
        return { status: 200, body: { client_id: id, org_id: toTypeId('org', tenant.orgId), scopes } };
      },
    }),
    route({
      ...write,
      path: '/v1/oauth-clients/:id/organizations/:organization/withdraw',
      summary: 'Takes a client out of an organization; said by the client’s organization or by that one.',
      params: ClientOrganizationParams,
      responses: { 200: z.object({ client_id: z.string(), org_id: typeId('org'), withdrawn: z.boolean() }) },
      handler: async ({ params: { id, organization }, tenant, actor, db, afterCommit }) => {
        if (organization !== tenant.orgId) found(await findClient(db, tenant, id), 'OAuth client', 'id');
        const withdrawn = await withdrawClient(db, tenant.mode, id, organization);
        const body = { organization: toTypeId('org', organization) };
        if (withdrawn) {
          const at = new Date();
          await recordFact(db, { tenant, at, type: 'oauth_client.withdrawn', actor, subject: id, body, events: [] });
        }
        afterCommit(forget);
        return { status: 200, body: { client_id: id, org_id: body.organization, withdrawn } };
      },
    }),
  ];
}
