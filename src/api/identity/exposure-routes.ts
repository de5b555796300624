import { z } from 'zod';
import { Problem } from '../../domain/errors.ts';
import { toTypeId } from '../../domain/ids.ts';
import type { Tenant } from '../../domain/types.ts';
import { findAgent } from '../../store/agents.ts';
import { listDelegations, type DelegationFilter } from '../../store/delegations.ts';
import { findExposure, replaceExposureCaps } from '../../store/exposure.ts';
import { recordFact } from '../../store/facts.ts';
import type { Db } from '../../store/pool.ts';
import { findPrincipal } from '../../store/principals.ts';
import { minorAt } from '../money.ts';
import { found } from '../not-found.ts';
import { invalidRequest } from '../pipeline/invalid-request.ts';
import { route, type AnyRoute } from '../route.ts';
import { currencyCode, idOf, majorAmount } from '../schemas.ts';
import { chainsOf } from './delegation-status.ts';
import { Exposure, printCap, printExposure } from './exposure-body.ts';

const party = { principal_id: idOf('prn', 'org').optional(), agent_id: idOf('agt').optional() };

/** Beyond this many live delegations nothing is added up: a sum of some of them would be wrong. */
const DELEGATION_LIMIT = 5000;

const CapsInput = z
  .strictObject({
    ...party,
    caps: z
      .array(z.strictObject({ amount: majorAmount, currency: currencyCode }))
      .max(50)
      .meta({ description: 'One for each currency; replaces those before. None: no limit.' }),
  })
  .refine((body) => (body.principal_id === undefined) !== (body.agent_id === undefined), {
    error: 'exactly one of principal_id and agent_id is required',
    path: ['principal_id'],
  });

const Caps = z.object({
  principal_id: z.string().optional(),
  agent_id: z.string().optional(),
  caps: z.array(z.object({ currency: z.string(), amount: z.number(), amount_minor: z.int() })),
});

/** What principals and agents may still have to answer for, and how much of it may be open at once. */
export function exposureRoutes(): AnyRoute[] {
  const tags = ['Identity'];
  return [
    route({
      method: 'get',
      path: '/v1/identities/exposure',
      summary: 'What is open: unspent delegations, approvals, holds, as one liability per party and currency.',
      tags,
      scope: 'identities:read',
      query: z.strictObject(party),
      idempotency: 'none',
      replay: 'none',
      responses: { 200: Exposure },
      handler: async ({ query, tenant, db }) => {
        const now = new Date();
        const filter: DelegationFilter = { agentId: query.agent_id, own: 'open' };
        if (query.principal_id) filter.principalId = query.principal_id === tenant.orgId ? null : query.principal_id;
        const { rows, ids } = await listDelegations(db, tenant, filter, { now, limit: DELEGATION_LIMIT + 1 });
        if (ids.length > DELEGATION_LIMIT) throw tooMany();
        const open = await findExposure(db, tenant, { principalId: query.principal_id, agentId: query.agent_id });
        const body = printExposure({ now, orgId: tenant.orgId, chains: chainsOf(rows, ids), ...open });
        return { status: 200, body };
      },
    }),
    route({
      method: 'put',
      path: '/v1/identities/exposure/caps',
      summary: 'Limits what a principal or an agent may have open at once.',
      description:
        'What waits for a person, is approved, is under way or held, and the intent at hand, may not exceed the cap of ' +
        'the agent and that of the principal. A party with caps has nothing open in currencies that it has no cap in.',
      tags,
      scope: 'identities:write',
      body: CapsInput,
      example: {
        agent_id: 'agt_01h455vb4pex5vsknk084sn02q',
        caps: [{ amount: 2500, currency: 'EUR' }],
      },
      idempotency: 'required',
      replay: 'stored',
      responses: { 200: Caps },
      handler: async ({ body, tenant, actor, db }) => {
        const at = new Date();
        const caps = capsOf(body.caps);
        await findParty(db, tenant, body);
        const named = body.agent_id
          ? { agent_id: toTypeId('agt', body.agent_id) }
          : { principal_id: toTypeId(body.principal_id === tenant.orgId ? 'org' : 'prn', body.principal_id!) };
        const printed = caps.map(printCap);
        // First, since it locks the head of the audit trail: decisions come before or after, and so do other caps.
        await recordFact(db, {
          tenant,
          at,
          type: 'identity.exposure_capped',
          actor,
          subject: Object.values(named)[0]!,
          body: { caps: printed },
          events: [],
        });
        const kind = body.agent_id ? 'agent' : 'principal';
        await replaceExposureCaps(db, tenant, { party: kind, partyId: body.agent_id ?? body.principal_id! }, caps, at);
        return { status: 200, body: { ...named, caps: printed } };
      },
    }),
  ];
}

/** Major → minor units. @throws Problem `invalid_request` for an amount, or a currency that is named twice */
function capsOf(input: z.output<typeof CapsInput>['caps']) {
  return input.map(({ amount, currency }, i) => {
    if (input.findIndex((one) => one.currency === currency) < i) {
      throw invalidRequest(`caps.${i}.currency`, 'is named twice');
    }
    return { currency, capMinor: minorAt(`caps.${i}.amount`, amount, currency) };
  });
}

/** @throws Problem `not_found` for a party that is named and that the organization does not have */
async function findParty(
  db: Db,
  tenant: Tenant,
  { principal_id, agent_id }: { principal_id?: string; agent_id?: string },
): Promise<void> {
  if (principal_id !== undefined && principal_id !== tenant.orgId) {
    found(await findPrincipal(db, tenant, principal_id), 'principal', 'principal_id');
  }
  if (agent_id !== undefined) found(await findAgent(db, tenant, agent_id), 'agent', 'agent_id');
}

function tooMany(): Problem {
  const message = `is needed: there are more than ${DELEGATION_LIMIT} live delegations to add up`;
  const fields = ['principal_id', 'agent_id'].map((path) => ({ path, message }));
  return new Problem('unprocessable', `There are more than ${DELEGATION_LIMIT} live delegations.`, { fields });
}
