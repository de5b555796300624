import { z } from 'zod';
import { Problem } from '../../../domain/errors.ts';
import type { PolicyRules } from '../../../domain/policy.ts';
import { findBacktest, listBacktests, readReport, STATUSES } from '../../../store/backtests/rows.ts';
import { findPolicy } from '../../../store/policies.ts';
import { decodeCursor, encodeCursor } from '../../cursor.ts';
import type { ApiDeps } from '../../deps.ts';
import { found } from '../../not-found.ts';
import { route, type AnyRoute } from '../../route.ts';
import { idOf, listOf, pageQuery } from '../../schemas.ts';
import { begin, cancel } from './begin.ts';
import { BacktestBody, BacktestOutput, BacktestSummary, RulesBacktestBody } from './body.ts';
import { plot } from './plot.ts';
import { printReport, printSummary } from './print.ts';

const reading = { tags: ['Policies'], scope: 'policy:read', idempotency: 'none', replay: 'none' } as const;
const writing = { tags: ['Policies'], scope: 'policy:write', idempotency: 'optional', replay: 'stored' } as const;

/** No script, no font, no picture of elsewhere: the file draws itself. */
const PLOT_HEADERS = { 'Content-Security-Policy': "default-src 'none'; sandbox" };

/** Backtests of a policy, and of rules that are none; all of them are listed and read under `/v1/policies/backtests`. */
export function backtestRoutes(deps: ApiDeps): AnyRoute[] {
  return [...beginRoutes(deps), ...readRoutes(deps, 'any'), ...readRoutes(deps, 'of a policy')];
}

function beginRoutes({ config, lifecycle }: ApiDeps): AnyRoute[] {
  const description =
    'Answers at once; a worker goes through the decisions, and goes on after an interruption. `GET` tells how far it ' +
    'is, and the result. What the rules ask of the past is answered as it was then; a decision for which a fact is ' +
    'missing is counted as unjudged.';
  return [
    route({
      ...writing,
      method: 'post',
      path: '/v1/policies/backtest',
      summary: 'Begins a backtest of rules that are no policy yet over stored decisions.',
      description,
      body: RulesBacktestBody,
      example: { rules: { max_amount: { EUR: 50000 }, unknown_payee: 'review' }, sample: 0.5 },
      responses: { 202: BacktestOutput },
      handler: async ({ body: { rules, ...asked }, afterCommit, ...change }) => {
        const row = await begin(change, { policyId: null, rules: rules as PolicyRules }, asked);
        afterCommit(() => void lifecycle.backtest({ tenant: change.tenant, id: row.id }));
        return { status: 202, body: { ...printSummary(row, config.publicUrl), result: null } };
      },
    }),
    route({
      ...writing,
      method: 'post',
      path: '/v1/policies/:id/backtest',
      summary: 'Begins a backtest of a policy over stored decisions.',
      description,
      params: z.object({ id: idOf('pol') }),
      body: BacktestBody,
      example: { from: '2026-01-01T00:00:00Z', sample: 1 },
      responses: { 202: BacktestOutput },
      handler: async ({ params: { id }, body, afterCommit, ...change }) => {
        const { rules } = found(await findPolicy(change.db, change.tenant, id), 'policy', 'id');
        const row = await begin(change, { policyId: id, rules }, body);
        afterCommit(() => void lifecycle.backtest({ tenant: change.tenant, id: row.id }));
        return { status: 202, body: { ...printSummary(row, config.publicUrl), result: null } };
      },
    }),
  ];
}

/** The same four, of any backtest or of one policy's alone. */
function readRoutes({ config }: ApiDeps, which: 'any' | 'of a policy'): AnyRoute[] {
  const ofPolicy = which === 'of a policy';
  const root = ofPolicy ? '/v1/policies/:id/backtests' : '/v1/policies/backtests';
  const policy = z.object({ id: ofPolicy ? idOf('pol') : z.undefined() });
  const params = z.object({ ...(ofPolicy ? { id: idOf('pol') } : {}), backtest_id: idOf('bkt') }) as z.ZodType<{
    id?: string;
    backtest_id: string;
  }>;
  const whose = ofPolicy ? ' of this policy' : '';
  return [
    route({
      ...reading,
      method: 'get',
      path: root,
      summary: `Backtests${ofPolicy ? whose : ', of rules that are no policy too'}, newest first, without their results.`,
      params: ofPolicy ? policy : undefined,
      query: z.strictObject({ ...pageQuery, status: z.enum(STATUSES).optional() }),
      responses: { 200: listOf(BacktestSummary) },
      handler: async ({ params: of, query, tenant, db }) => {
        const policyId = of?.id;
        if (policyId) found(await findPolicy(db, tenant, policyId), 'policy', 'id');
        const before = query.cursor === undefined ? undefined : (decodeCursor(query.cursor, ['uuid'])[0] as string);
        const rows = await listBacktests(db, tenant, {
          policyId,
          status: query.status,
          before,
          limit: query.limit + 1,
        });
        const page = rows.slice(0, query.limit);
        const next_cursor = rows.length > query.limit ? encodeCursor([page.at(-1)!.id]) : null;
        return { status: 200, body: { data: page.map((row) => printSummary(row, config.publicUrl)), next_cursor } };
      },
    }),
    route({
      ...reading,
      method: 'get',
      path: `${root}/:backtest_id`,
      summary: `A backtest${whose}: how far it is, and its result.`,
      params,
      responses: { 200: BacktestOutput },
      handler: async ({ params: { id, backtest_id }, tenant, db }) => {
        const row = found(await findBacktest(db, tenant, backtest_id, id), 'backtest', 'backtest_id');
        const report = row.status === 'completed' ? await readReport(db, tenant, row.id) : undefined;
        const result = report ? printReport(report) : null;
        return { status: 200, body: { ...printSummary(row, config.publicUrl), result } };
      },
    }),
    route({
      ...reading,
      method: 'get',
      path: `${root}/:backtest_id/plot`,
      summary: `The result of a backtest${whose} as a drawing: decisions by day, and what became what.`,
      params,
      responses: { 200: { description: 'SVG', contentType: 'image/svg+xml' } },
      handler: async ({ params: { id, backtest_id }, tenant, db }) => {
        const row = found(await findBacktest(db, tenant, backtest_id, id), 'backtest', 'backtest_id');
        const report = await readReport(db, tenant, row.id);
        if (!report) throw new Problem('not_found', `The backtest is ${row.status}: there is nothing to draw.`);
        const of = row.policyName === null ? 'rules' : `${row.policyName}, version ${row.policyVersion}`;
        const svg = plot(report, { of, from: row.from, to: row.to });
        return { status: 200, body: svg, contentType: 'image/svg+xml; charset=utf-8', headers: PLOT_HEADERS };
      },
    }),
    route({
      ...writing,
      method: 'post',
      path: `${root}/:backtest_id/cancel`,
      summary: `Cancels a backtest${whose}; one that has ended stays as it is.`,
      params,
      responses: { 200: BacktestSummary },
      handler: async ({ params: { id, backtest_id }, ...change }) => ({
        status: 200,
        body: printSummary(await cancel(change, backtest_id, id), config.publicUrl),
      }),
    }),
  ];
}
