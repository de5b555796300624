import { z } from 'zod';
import type { Tenant } from '../../domain/types.ts';
import { findChain, findDescendants, listDelegations, type DelegationFilter } from '../../store/delegations.ts';
import type { DelegationRow } from '../../store/delegations.ts';
import type { Db } from '../../store/pool.ts';
import { decodeCursor, encodeCursor } from '../cursor.ts';
import { notFound } from '../not-found.ts';
import { route, type AnyRoute } from '../route.ts';
import { idOf, listOf, pageQuery } from '../schemas.ts';
import { Delegation, printDelegation } from './delegation-body.ts';
import { chainsOf, standingOf, STATUSES, type DelegationStatus } from './delegation-status.ts';

const ListQuery = z.strictObject({
  principal_id: idOf('prn', 'org').optional(),
  agent_id: idOf('agt').optional(),
  parent_id: idOf('del').optional(),
  status: z.enum(STATUSES).optional(),
  ...pageQuery,
});

/** Beyond this many, a tree is cut off; its branches can be listed by `parent_id`. */
const TREE_LIMIT = 1000;

const Tree = z.object({
  root: Delegation,
  data: z
    .array(Delegation.omit({ delegation_token: true }).extend({ depth: z.int() }))
    .meta({ description: 'What is delegated below, each before what is below it; `depth` 1 are its children' }),
  truncated: z.boolean().meta({ description: `Whether more than ${TREE_LIMIT} are below: the deepest are left out` }),
});

/** Delegations by what they are about, and what was delegated below one. */
export function delegationListRoutes(): AnyRoute[] {
  const tags = ['Identity'];
  return [
    route({
      method: 'get',
      path: '/v1/identities/delegations',
      summary: 'Delegations, newest first.',
      description:
        'A page that is filtered by `status` may have fewer than `limit`, or none, although more follow: `next_cursor` ' +
        'alone says whether there are.',
      tags,
      scope: 'identities:read',
      query: ListQuery,
      idempotency: 'none',
      replay: 'none',
      responses: { 200: listOf(Delegation) },
      handler: async ({ query, tenant, db }) => {
        const now = new Date();
        const before = query.cursor === undefined ? undefined : (decodeCursor(query.cursor, ['uuid'])[0] as string);
        const filter: DelegationFilter = { agentId: query.agent_id, parentId: query.parent_id };
        if (query.principal_id) filter.principalId = query.principal_id === tenant.orgId ? null : query.principal_id;
        const { page, more } = await pageOf(db, tenant, filter, { ...query, before, now });
        return {
          status: 200,
          body: {
            data: page.map((chain) => printDelegation(chain, tenant.orgId, now)),
            next_cursor: more === undefined ? null : encodeCursor([more]),
          },
        };
      },
    }),
    route({
      method: 'get',
      path: '/v1/identities/delegations/:id/tree',
      summary: 'A delegation and everything delegated below it.',
      tags,
      scope: 'identities:read',
      params: z.object({ id: idOf('del') }),
      idempotency: 'none',
      replay: 'none',
      responses: { 200: Tree },
      handler: async ({ params, tenant, db }) => {
        const now = new Date();
        const chain = await findChain(db, tenant, params.id);
        if (chain.length === 0) throw notFound('delegation', 'id');
        const below = await findDescendants(db, tenant, params.id, TREE_LIMIT + 1);
        // The deepest one is the one too many.
        const extra = below.length > TREE_LIMIT ? below.reduce((a, b) => (b.depth >= a.depth ? b : a)) : undefined;
        const kept = below.filter((row) => row !== extra);
        const chains = chainsOf(
          [...chain, ...kept],
          kept.map((row) => row.id),
        );
        return {
          status: 200,
          body: {
            root: printDelegation(chain, tenant.orgId, now),
            data: kept.map((row, i) => ({ depth: row.depth, ...printDelegation(chains[i]!, tenant.orgId, now) })),
            truncated: extra !== undefined,
          },
        };
      },
    }),
  ];
}

interface Wanted {
  status?: DelegationStatus;
  before?: string;
  limit: number;
  now: Date;
}

const OWN: Record<DelegationStatus, DelegationFilter['own']> = {
  revoked: 'revoked',
  expired: 'expired',
  active: 'open',
  pending: 'open',
  exhausted: 'open',
};
const BATCH = 200;
const BATCHES = 10;

/**
 * One page. Whether a delegation is pending or exhausted depends on its chain and the time, so that is judged here, by
 * the one function that judges it elsewhere, over batches; after so many the page ends where it has come to.
 * @returns the chains, and the id to go on from when there may be more
 */
async function pageOf(
  db: Db,
  tenant: Tenant,
  filter: DelegationFilter,
  { status, before, limit, now }: Wanted,
): Promise<{ page: DelegationRow[][]; more?: string }> {
  const own = status && OWN[status];
  const size = own === 'open' ? Math.max(BATCH, limit + 1) : limit + 1;
  const page: DelegationRow[][] = [];
  let seen = before;
  for (let batch = 0; batch < BATCHES; batch++) {
    const { rows, ids } = await listDelegations(db, tenant, { ...filter, own }, { now, before: seen, limit: size });
    for (const chain of chainsOf(rows, ids)) {
      const matches = status === undefined || standingOf(chain, now).status === status;
      if (matches && page.length === limit) return { page, more: seen };
      if (matches) page.push(chain);
      seen = chain.at(-1)!.id;
    }
    if (ids.length < size) return { page };
  }
  return { page, more: seen };
}
