import { z } from 'zod';
import { Problem } from '../../domain/errors.ts';
import { toTypeId } from '../../domain/ids.ts';
import { insertAgentKey, type NewAgentKey } from '../../store/agent-keys.ts';
import { findAgent, insertAgent, listAgents, type AgentRow } from '../../store/agents.ts';
import { recordFact } from '../../store/facts.ts';
import { holdPrincipal } from '../../store/principals.ts';
import { newId } from '../../trust/new-id.ts';
import { decodeCursor, encodeCursor } from '../cursor.ts';
import { found, notFound } from '../not-found.ts';
import { route, type AnyRoute } from '../route.ts';
import { idOf, metadata, pageQuery, timeOut, uuid } from '../schemas.ts';
import { AgentKey, KeyInput, printKey, readKey } from './key-body.ts';

const FinancialScope = z
  .strictObject({
    max_single_trade_usd: z.number().positive(),
    daily_limit_usd: z.number().positive(),
    permitted_instruments: z.array(z.string()),
    permitted_venues: z.array(z.string()),
    leverage_permitted: z.boolean(),
    max_leverage_ratio: z.number().positive().optional(),
  })
  .meta({ id: 'FinancialScope' });

const STATUSES = ['pending', 'active', 'suspended', 'retired'] as const;

const AgentInput = z
  .strictObject({
    name: z.string().min(1).max(255),
    model_hash: z.string().min(1).max(500).optional(),
    model: z.string().max(500).optional(),
    version: z.string().max(255).optional(),
    description: z.string().max(5_000).optional(),
    financial_scope: FinancialScope.optional(),
    metadata: metadata.optional(),
    principal_id: idOf('prn').optional(),
    keys: z.array(KeyInput).max(20).optional(),
    did: z
      .string()
      .max(1_000)
      .regex(/^did:[a-z0-9]+:\S+$/, { error: 'must be a DID' })
      .optional(),
  })
  .refine((agent) => agent.model_hash !== undefined || agent.principal_id !== undefined, {
    path: ['model_hash'],
    error: 'is required unless principal_id is given',
  });

const Agent = z
  .object({
    id: uuid,
    tenant_id: uuid,
    name: z.string(),
    model: z.string().nullable(),
    model_hash: z.string().meta({ description: 'Empty when the agent was registered by its principal alone' }),
    version: z.string().nullable(),
    status: z.enum(STATUSES),
    inbox_address: z.string().nullable(),
    metadata: z.record(z.string(), z.unknown()).nullable(),
    created_at: timeOut,
    updated_at: timeOut,
    description: z.string().nullable(),
    financial_scope: FinancialScope.nullable(),
    principal_id: uuid.nullable(),
    did: z.string().nullable(),
    revocation_reason: z.string().nullable(),
  })
  .meta({ id: 'Agent' });

function print(row: AgentRow) {
  return {
    id: row.id,
    tenant_id: row.orgId,
    name: row.name,
    model: row.model,
    model_hash: row.modelHash ?? '',
    version: row.version,
    status: row.status,
    // No mail is received for agents here.
    inbox_address: null,
    metadata: row.metadata,
    created_at: row.createdAt.toISOString(),
    updated_at: row.updatedAt.toISOString(),
    description: row.description,
    financial_scope: row.financialScope,
    principal_id: row.principalId,
    did: row.did,
    revocation_reason: row.revocationReason,
  };
}

export function agentResourceRoutes(): AnyRoute[] {
  const tags = ['Agents'];
  const envelope = 'kakunin';
  return [
    route({
      method: 'post',
      path: '/v1/agents',
      summary: 'Registers an agent.',
      description:
        'With `principal_id` the agent is `active` at once: somebody answers for it. Without, it is `pending` until it ' +
        'is certified or receives its first delegation.',
      tags,
      envelope,
      scope: 'agents:write',
      body: AgentInput,
      example: { name: 'RiskEngine-v2', model_hash: 'sha256:abc123', model: 'gpt-4o', version: '2.1.0' },
      idempotency: 'optional',
      replay: 'stored',
      responses: { 201: z.object({ data: Agent.extend({ keys: z.array(AgentKey).optional() }) }) },
      handler: async ({ body, tenant, actor, db }) => {
        const keys = await Promise.all((body.keys ?? []).map((key, i) => readKey(key, `keys.${i}.`)));
        if (body.principal_id !== undefined) {
          const status = await holdPrincipal(db, tenant, body.principal_id);
          if (status === undefined) throw notFound('principal', 'principal_id');
          if (status !== 'active') throw unusable(`the principal is ${status}`);
        }
        const row = await insertAgent(db, tenant, {
          id: newId(),
          principalId: body.principal_id,
          name: body.name,
          model: body.model,
          modelHash: body.model_hash,
          version: body.version,
          description: body.description,
          did: body.did,
          status: body.principal_id === undefined ? 'pending' : 'active',
          financialScope: body.financial_scope,
          metadata: body.metadata,
        });
        const printedKeys = [];
        for (const [i, key] of keys.entries()) {
          const stored = await insertAgentKey(db, tenant, row.id, key);
          if (!stored) throw keyTaken(key, `keys.${i}`);
          printedKeys.push(printKey(stored));
        }
        await recordFact(db, {
          tenant,
          at: row.createdAt,
          type: 'agent.registered',
          actor,
          subject: toTypeId('agt', row.id),
          body: {
            name: row.name,
            status: row.status,
            model_hash: row.modelHash,
            principal_id: row.principalId && toTypeId('prn', row.principalId),
            keys: printedKeys.map((key) => key.thumbprint),
          },
          events: [],
        });
        return { status: 201, body: { data: { ...print(row), ...(body.keys && { keys: printedKeys }) } } };
      },
    }),
    route({
      method: 'get',
      path: '/v1/agents',
      summary: 'Agents, in order of registration.',
      tags,
      envelope,
      scope: 'agents:read',
      query: z.strictObject({ ...pageQuery, status: z.enum(STATUSES).optional() }),
      idempotency: 'none',
      replay: 'none',
      responses: { 200: z.object({ data: z.array(Agent), next_cursor: z.string().nullable() }) },
      handler: async ({ query, tenant, db }) => {
        const after = query.cursor === undefined ? undefined : (decodeCursor(query.cursor, ['uuid'])[0] as string);
        const rows = await listAgents(db, tenant, { after, limit: query.limit + 1, status: query.status });
        const page = rows.slice(0, query.limit);
        const next_cursor = rows.length > query.limit ? encodeCursor([page.at(-1)!.id]) : null;
        return { status: 200, body: { data: page.map(print), next_cursor } };
      },
    }),
    route({
      method: 'get',
      path: '/v1/agents/:id',
      summary: 'An agent.',
      tags,
      envelope,
      scope: 'agents:read',
      params: z.object({ id: idOf('agt') }),
      idempotency: 'none',
      replay: 'none',
      responses: { 200: z.object({ data: Agent }) },
      handler: async ({ params, tenant, db }) => ({
        status: 200,
        body: { data: print(found(await findAgent(db, tenant, params.id), 'agent', 'id')) },
      }),
    }),
  ];
}

/** A key speaks for one agent: two agents with one key could not be told apart. */
export function keyTaken(key: NewAgentKey, path: string): Problem {
  return new Problem('resource_conflict', `The key ${key.thumbprint} is registered already.`, {
    fields: [{ path, message: 'is registered already' }],
  });
}

function unusable(why: string): Problem {
  return new Problem('unprocessable', `The agent cannot be registered: ${why}.`, {
    fields: [{ path: 'principal_id', message: why }],
  });
}
