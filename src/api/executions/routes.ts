import { z } from 'zod';
import { Problem } from '../../domain/errors.ts';
import { toTypeId } from '../../domain/ids.ts';
import { encodeCursor, decodeCursor } from '../cursor.ts';
import { STAGES } from '../../domain/lifecycle.ts';
import { listExecutions, viewExecution } from '../../store/executions/read.ts';
import type { ApiDeps } from '../deps.ts';
import { asPerson } from '../reviews/guard.ts';
import { route, type AnyRoute } from '../route.ts';
import { idOf, listOf, pageQuery } from '../schemas.ts';
import { authorizeInput, requestRef } from './authorize.ts';
import { assessmentRoutes } from './dry-run-routes.ts';
import { challengeOptionsRoute } from './challenge-options-route.ts';
import { utc } from '../utc.ts';
import { renderDecision, renderExecution } from './render.ts';
import { AuthorizeBody, DecisionOutput, ExecutionOutput, RespondBody, ReviewBody } from './schemas.ts';

const ExecutionParams = z.object({ id: idOf('exec') });

/** The execution family: decide, challenge, review, and read. */
export function executionRoutes(deps: ApiDeps): AnyRoute[] {
  const { config, lifecycle, tokens, sealer } = deps;
  const links = { uiUrl: config.TEMPORAL_UI_URL, namespace: config.TEMPORAL_NAMESPACE };
  return [
    route({
      method: 'post',
      path: '/v1/execution/authorize',
      summary: 'Decide whether an agent may do what it intends',
      description: 'Every well-formed intent is answered with 200 and a decision; a denial carries its reasons.',
      tags: ['Execution'],
      scope: 'execution:write',
      body: AuthorizeBody,
      idempotency: 'required',
      replay: 'own',
      example: {
        agent_id: 'agt_01kf2v7d3nfgx8k9m2p4q6r8s0',
        principal_id: 'prn_01kf2v7d3nfgx8k9m2p4q6r8s1',
        intent: { amount: 1240.0, currency: 'USD', merchant_ref: 'mrc_acme', channel: 'chatpay' },
        context: { session_id: 'sess_1', device_trust: 'verified', risk_signals: ['velocity_ok', 'geo_ok'] },
      },
      responses: { 200: DecisionOutput },
      handler: async (ctx) =>
        renderDecision(tokens, await lifecycle.authorize(await authorizeInput(ctx, deps, lifecycle.processId))),
    }),
    route({
      method: 'post',
      path: '/v1/execution/challenge/respond',
      summary: 'Answer the step-up challenge of an execution',
      tags: ['Execution'],
      scope: 'execution:write',
      body: RespondBody,
      example: { challenge_id: 'chl_01h455vb4pex5vsknk084sn02q', method: 'totp', response: { code: '123456' } },
      idempotency: 'required',
      replay: 'own',
      responses: { 200: DecisionOutput },
      handler: async (ctx) => {
        const { challenge_id, execution_ref, method, response } = ctx.body;
        const executionId = (challenge_id ?? execution_ref)!;
        const request = requestRef(ctx, lifecycle.processId);
        const sealedResponse = sealer.seal(JSON.stringify(response));
        await mustExist(deps, ctx.tenant, executionId, 'challenge');
        return renderDecision(
          tokens,
          await lifecycle.respond(ctx.tenant, executionId, { request, method, sealedResponse }),
        );
      },
    }),
    route({
      method: 'get',
      path: '/v1/executions',
      summary: 'List executions, newest first',
      tags: ['Execution'],
      scope: 'execution:read',
      query: z.strictObject({
        ...pageQuery,
        stage: z.enum(STAGES).optional(),
        decision: z.enum(['approved', 'challenge', 'deny']).optional(),
        agent_id: idOf('agt').optional(),
        merchant_ref: z.string().max(255).optional(),
      }),
      idempotency: 'none',
      replay: 'none',
      responses: { 200: listOf(ExecutionOutput) },
      handler: async ({ tenant, query, db }) => {
        const rows = await listExecutions(db, tenant, {
          stage: query.stage,
          decision: query.decision,
          agentId: query.agent_id,
          merchantRef: query.merchant_ref,
          before: query.cursor === undefined ? undefined : (decodeCursor(query.cursor, ['uuid'])[0] as string),
          limit: query.limit + 1,
        });
        const page = rows.slice(0, query.limit);
        const next = rows.length > query.limit ? encodeCursor([page.at(-1)!.execution.id]) : null;
        return {
          status: 200,
          body: { data: page.map((row) => renderExecution(links, tenant.orgId, row)), next_cursor: next },
        };
      },
    }),
    route({
      method: 'get',
      path: '/v1/executions/:id',
      summary: 'An execution, its story, and where Temporal shows it',
      tags: ['Execution'],
      scope: 'execution:read',
      params: ExecutionParams,
      idempotency: 'none',
      replay: 'none',
      responses: { 200: ExecutionOutput },
      handler: async ({ tenant, params, db, credential, acting }) => {
        const view = await viewExecution(db, tenant, params.id);
        if (!view) throw new Problem('not_found', 'There is no such execution.');
        const { execution } = view;
        // Approved on the page or by an operator: whoever may execute picks the token up here.
        const mayExecute = credential.scopes.some((scope) => scope === 'execution:write' || scope === 'admin');
        const token =
          execution.stage === 'approved' && mayExecute
            ? {
                execution_token: tokens.issue(execution.id),
                execution_token_expires_at: execution.token_expires_at ? utc(execution.token_expires_at) : undefined,
              }
            : {};
        return {
          status: 200,
          body: { ...renderExecution(links, tenant.orgId, view, { events: view.events, votes: !acting }), ...token },
        };
      },
    }),
    route({
      method: 'post',
      path: '/v1/executions/:id/review',
      summary: 'Approve or deny an execution in review',
      description:
        'One denial ends it; an approval counts toward the quorum. Whoever asked, registered the agent or granted the delegation cannot approve.',
      tags: ['Execution'],
      scope: 'execution:write',
      params: ExecutionParams,
      body: ReviewBody,
      example: { verdict: 'approve', note: 'Asked the traveller.' },
      idempotency: 'optional',
      replay: 'own',
      responses: { 200: DecisionOutput },
      handler: async (ctx) => {
        await mustExist(deps, ctx.tenant, ctx.params.id, 'execution');
        const request = requestRef(ctx, lifecycle.processId);
        const { tenant, params, body } = ctx;
        return asPerson(deps, ctx, toTypeId('exec', params.id), async () =>
          renderDecision(tokens, await lifecycle.review(tenant, params.id, { request, ...body })),
        );
      },
    }),
    challengeOptionsRoute(deps),
    ...assessmentRoutes(deps),
  ];
}

/** Before an update is sent: an id that the tenant does not have is 404, whatever workflow it might address. */
async function mustExist(
  { pool }: ApiDeps,
  tenant: { orgId: string; mode: string },
  id: string,
  what: string,
): Promise<void> {
  const { rowCount } = await pool.query({
    name: 'execution-exists',
    text: 'SELECT 1 FROM executions WHERE org_id = $1 AND mode = $2 AND id = $3',
    values: [tenant.orgId, tenant.mode, id],
  });
  if (rowCount === 0) throw new Problem('not_found', `There is no such ${what}.`);
}
