import { z } from 'zod';
import { Problem } from '../../domain/errors.ts';
import { toTypeId } from '../../domain/ids.ts';
import { insertAgentKey, type NewAgentKey } from '../../store/agent-keys.ts';
import { changeAgent, findAgent, insertAgent, listAgents } from '../../store/agents.ts';
import { recordFact } from '../../store/facts.ts';
import { holdPrincipal } from '../../store/principals.ts';
import { newId } from '../../trust/new-id.ts';
import { decodeCursor, encodeCursor } from '../cursor.ts';
import { found, notFound } from '../not-found.ts';
import { invalidRequest } from '../pipeline/invalid-request.ts';
import { route, type AnyRoute } from '../route.ts';
import { idOf, pageQuery } from '../schemas.ts';
import { Agent, AGENT_STATUSES, AgentInput, AgentPatch, printAgent as print } from './agent-body.ts';
import { AgentKey, printKey, readKey } from './key-body.ts';

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
          spiffeId: body.spiffe_id,
          status: body.principal_id === undefined ? 'pending' : 'active',
          financialScope: body.financial_scope,
          metadata: body.metadata,
        });
        if (!row) throw spiffeIdTaken();
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
      query: z.strictObject({ ...pageQuery, status: z.enum(AGENT_STATUSES).optional() }),
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
    route({
      method: 'patch',
      path: '/v1/agents/:id',
      summary: 'Changes what describes an agent; `null` takes a value away.',
      description: 'Its keys, its status and who answers for it have routes of their own.',
      tags,
      envelope,
      scope: 'agents:write',
      params: z.object({ id: idOf('agt') }),
      body: AgentPatch,
      example: { did: 'did:web:agents.example', spiffe_id: 'spiffe://acme.example/agents/buyer' },
      idempotency: 'optional',
      replay: 'stored',
      responses: { 200: z.object({ data: Agent }) },
      handler: async ({ params, body, tenant, actor, db }) => {
        if (Object.keys(body).length === 0) throw invalidRequest('body', 'must change something');
        const agent = found(await findAgent(db, tenant, params.id), 'agent', 'id');
        if (agent.status === 'retired') throw new Problem('unprocessable', 'The agent is retired.');
        const { model_hash: modelHash, spiffe_id: spiffeId, ...same } = body;
        const row = found(await changeAgent(db, tenant, agent.id, { ...same, modelHash, spiffeId }), 'agent', 'id');
        if (row === 'spiffe_id_taken') throw spiffeIdTaken();
        await recordFact(db, {
          tenant,
          at: row.updatedAt,
          type: 'agent.changed',
          actor,
          subject: toTypeId('agt', row.id),
          body: { members: Object.keys(body).sort(), did: row.did, spiffe_id: row.spiffeId, model_hash: row.modelHash },
          events: [],
        });
        return { status: 200, body: { data: print(row) } };
      },
    }),
  ];
}

function spiffeIdTaken(): Problem {
  return new Problem('resource_conflict', 'Another agent has this SPIFFE id.', {
    fields: [{ path: 'spiffe_id', message: 'is the id of another agent' }],
  });
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
