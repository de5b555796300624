import { z } from 'zod';
import { toTypeId } from '../../domain/ids.ts';
import { modelVersionOf } from '../../domain/risk/configuration.ts';
import { recordFact } from '../../store/facts.ts';
import { findRiskConfig, insertRiskConfig, listRiskConfigs, readMeasured } from '../../store/risk-configs.ts';
import { decodeCursor, encodeCursor } from '../cursor.ts';
import { route, type AnyRoute } from '../route.ts';
import { listOf, pageQuery } from '../schemas.ts';
import { compare } from './compare.ts';
import {
  CompareBody,
  ComparisonOutput,
  configOf,
  printConfig,
  printStored,
  RiskConfigBody,
  RiskConfigOutput,
  RiskConfigVersionOutput,
} from './schemas.ts';

const EXAMPLE = {
  bands: { elevated: 40, high: 60 },
  signals: {
    merchant_new: [{ severity: 'low', points: 12 }],
    velocity: [
      { at: 100, severity: 'high', points: 40 },
      { at: 50, severity: 'medium', points: 20 },
    ],
  },
};

/** The risk model of an organization: bands and weights, with a version for every change. */
export function riskRoutes(): AnyRoute[] {
  const tags = ['Risk'];
  const reading = { tags, scope: 'policy:read', idempotency: 'none', replay: 'none' } as const;
  return [
    route({
      ...reading,
      method: 'get',
      path: '/v1/risk/config',
      summary: 'The risk model in force: bands, every signal with its grades, and the version.',
      responses: { 200: RiskConfigOutput },
      handler: async ({ tenant, db }) => ({ status: 200, body: printConfig(await findRiskConfig(db, tenant)) }),
    }),
    route({
      method: 'put',
      path: '/v1/risk/config',
      summary: 'Sets bands and weights: a new version, in force at once. What is not named is as the table has it.',
      tags,
      scope: 'policy:write',
      body: RiskConfigBody,
      example: EXAMPLE,
      idempotency: 'optional',
      replay: 'stored',
      responses: { 200: RiskConfigOutput },
      handler: async ({ body, tenant, actor, db }) => {
        const at = new Date();
        const row = await insertRiskConfig(db, tenant, { config: configOf(body), createdBy: actor, at });
        await recordFact(db, {
          tenant,
          at,
          type: 'risk.config_changed',
          actor,
          subject: toTypeId('org', tenant.orgId),
          body: { model_version: modelVersionOf(row), config: row.config },
          events: [],
        });
        return { status: 200, body: printConfig(row) };
      },
    }),
    route({
      ...reading,
      method: 'get',
      path: '/v1/risk/config/history',
      summary: 'Every configuration there was, newest first, with who made it.',
      query: z.strictObject(pageQuery),
      responses: { 200: listOf(RiskConfigVersionOutput) },
      handler: async ({ query, tenant, db }) => {
        const before = query.cursor === undefined ? undefined : (decodeCursor(query.cursor, ['number'])[0] as number);
        const rows = await listRiskConfigs(db, tenant, { before, limit: query.limit + 1 });
        const page = rows.slice(0, query.limit);
        const next_cursor = rows.length > query.limit ? encodeCursor([page.at(-1)!.version]) : null;
        return { status: 200, body: { data: page.map(printStored), next_cursor } };
      },
    }),
    route({
      method: 'post',
      path: '/v1/risk/config/compare',
      summary: 'What the newest decisions would have come to under another configuration; nothing is changed.',
      tags,
      scope: ['policy:read', 'policy:write'],
      body: CompareBody,
      example: { config: EXAMPLE, decisions: 200 },
      idempotency: 'optional',
      replay: 'none',
      responses: { 200: ComparisonOutput },
      handler: async ({ body, tenant, db }) => ({
        status: 200,
        body: compare(await readMeasured(db, tenant, body.decisions), configOf(body.config)),
      }),
    }),
  ];
}
