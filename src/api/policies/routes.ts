import { z } from 'zod';
import { toTypeId } from '../../domain/ids.ts';
import type { PolicyRules } from '../../domain/policy.ts';
import type { Decision } from '../../domain/types.ts';
import { findPolicy, listPolicies } from '../../store/policies.ts';
import { readDifferences } from '../../store/policy-differences.ts';
import { decodeCursor, encodeCursor } from '../cursor.ts';
import { found } from '../not-found.ts';
import { route, type AnyRoute } from '../route.ts';
import { idOf, listOf, pageQuery } from '../schemas.ts';
import { utc } from '../utc.ts';
import { activate, draft, observe } from './changes.ts';
import {
  ActivateBody,
  DifferencesOutput,
  PolicyBody,
  PolicyOutput,
  printPolicy,
  STATUSES,
  VersionBody,
} from './schemas.ts';

const STRICTNESS: readonly Decision[] = ['approved', 'challenge', 'review', 'deny'];

const EXAMPLE_RULES = {
  max_amount: 1000000,
  currencies: ['EUR', 'GBP'],
  geo: { allow: ['EU'] },
  velocity: { window: '1h', max: 20 },
};

/** Policies: drafts with versions, of which one is active and one may be watched beside it. */
export function policyRoutes(): AnyRoute[] {
  const params = z.object({ id: idOf('pol') });
  const reading = { tags: ['Policies'], scope: 'policy:read', idempotency: 'none', replay: 'none' } as const;
  const writing = { tags: ['Policies'], scope: 'policy:write', idempotency: 'optional', replay: 'stored' } as const;
  return [
    route({
      ...writing,
      method: 'post',
      path: '/v1/policies',
      summary: 'New policy, or the next version under its name: a draft, or active at once.',
      body: PolicyBody,
      example: { name: 'eu-cards-v3', rules: EXAMPLE_RULES, activate: false },
      responses: { 201: PolicyOutput },
      handler: async ({ body, ...change }) => {
        const { name, rules, activate } = body;
        return { status: 201, body: printPolicy(await draft(change, { name, rules: rules as PolicyRules, activate })) };
      },
    }),
    route({
      ...reading,
      method: 'get',
      path: '/v1/policies',
      summary: 'Policies, newest first.',
      query: z.strictObject({ ...pageQuery, status: z.enum(STATUSES).optional() }),
      responses: { 200: listOf(PolicyOutput) },
      handler: async ({ query, tenant, db }) => {
        const before = query.cursor === undefined ? undefined : (decodeCursor(query.cursor, ['uuid'])[0] as string);
        const rows = await listPolicies(db, tenant, { before, limit: query.limit + 1, status: query.status });
        const page = rows.slice(0, query.limit);
        const next_cursor = rows.length > query.limit ? encodeCursor([page.at(-1)!.id]) : null;
        return { status: 200, body: { data: page.map(printPolicy), next_cursor } };
      },
    }),
    route({
      ...reading,
      method: 'get',
      path: '/v1/policies/:id',
      summary: 'A policy.',
      params,
      responses: { 200: PolicyOutput },
      handler: async ({ params: { id }, tenant, db }) => ({
        status: 200,
        body: printPolicy(found(await findPolicy(db, tenant, id), 'policy', 'id')),
      }),
    }),
    route({
      ...writing,
      method: 'post',
      path: '/v1/policies/:id/versions',
      summary: 'The next version of a policy: other rules under the same name.',
      params,
      body: VersionBody,
      example: { rules: EXAMPLE_RULES },
      responses: { 201: PolicyOutput },
      handler: async ({ params: { id }, body, ...change }) => {
        const { name } = found(await findPolicy(change.db, change.tenant, id), 'policy', 'id');
        const { rules, activate } = body;
        return { status: 201, body: printPolicy(await draft(change, { name, rules: rules as PolicyRules, activate })) };
      },
    }),
    route({
      ...writing,
      method: 'post',
      path: '/v1/policies/:id/activate',
      summary: 'Makes it the one active policy; the one before is archived, and comes back the same way.',
      description:
        'With `mode: observe` it decides nothing: it is asked beside the active policy, and the differences are kept.',
      params,
      body: ActivateBody,
      example: { mode: 'enforce' },
      responses: { 200: PolicyOutput },
      handler: async ({ params: { id }, body: { mode }, ...change }) => ({
        status: 200,
        body: printPolicy(await (mode === 'observe' ? observe(change, id, true) : activate(change, id))),
      }),
    }),
    route({
      ...writing,
      method: 'post',
      path: '/v1/policies/:id/stop-observing',
      summary: 'Ends watching a policy; what was noted stays.',
      params,
      responses: { 200: PolicyOutput },
      handler: async ({ params: { id }, ...change }) => ({
        status: 200,
        body: printPolicy(await observe(change, id, false)),
      }),
    }),
    route({
      ...reading,
      method: 'get',
      path: '/v1/policies/:id/differences',
      summary: 'Where a watched policy would have decided otherwise: counts by direction, and the newest examples.',
      params,
      query: z.strictObject({ limit: pageQuery.limit }),
      responses: { 200: DifferencesOutput },
      handler: async ({ params: { id }, query, tenant, db }) => {
        const policy = printPolicy(found(await findPolicy(db, tenant, id), 'policy', 'id'));
        const { counts, examples } = await readDifferences(db, id, query.limit);
        const total = (which: (by: number) => boolean) =>
          counts
            .filter(({ decision, observed }) => which(STRICTNESS.indexOf(observed) - STRICTNESS.indexOf(decision)))
            .reduce((sum, { decisions }) => sum + decisions, 0);
        const body = {
          policy_id: policy.policy_id,
          observing_since: policy.observing_since,
          decisions: total(() => true),
          differing: total((by) => by !== 0),
          stricter: total((by) => by > 0),
          looser: total((by) => by < 0),
          directions: counts
            .filter(({ decision, observed }) => decision !== observed)
            .map(({ decision, observed, decisions }) => ({ active: decision, observed, decisions })),
          examples: examples.map(({ decision, observed, executionId, at, explanations }) => ({
            execution_ref: toTypeId('exec', executionId),
            at: utc(at),
            active: decision,
            observed,
            explanation: explanations,
          })),
        };
        return { status: 200, body };
      },
    }),
  ];
}
