import { z } from 'zod';
import { Problem } from '../../domain/errors.ts';
import { toTypeId } from '../../domain/ids.ts';
import { insertAgentKey, listAgentKeys, revokeAgentKey } from '../../store/agent-keys.ts';
import { findAgent } from '../../store/agents.ts';
import { recordFact } from '../../store/facts.ts';
import { found } from '../not-found.ts';
import { route, type AnyRoute } from '../route.ts';
import { idOf, shortText } from '../schemas.ts';
import { keyTaken } from './agent-routes.ts';
import { AgentKey, KeyInput, printKey, readKey } from './key-body.ts';

export function agentKeyRoutes(): AnyRoute[] {
  const tags = ['Agents'];
  const envelope = 'kakunin';
  const scope = ['keys:write', 'agents:write'];
  return [
    route({
      method: 'post',
      path: '/v1/agents/:id/keys',
      summary: 'Registers a public key that the agent signs with.',
      tags,
      envelope,
      scope,
      params: z.object({ id: idOf('agt') }),
      body: KeyInput,
      example: { jwk: { kty: 'OKP', crv: 'Ed25519', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo' } },
      idempotency: 'optional',
      replay: 'stored',
      responses: { 201: z.object({ data: AgentKey }) },
      handler: async ({ params, body, tenant, actor, db }) => {
        const key = await readKey(body);
        const agent = found(await findAgent(db, tenant, params.id), 'agent', 'id');
        if (agent.status === 'retired') throw new Problem('unprocessable', 'The agent is retired.');
        const row = await insertAgentKey(db, tenant, agent.id, key);
        if (!row) throw keyTaken(key, body.jwk ? 'jwk' : 'pem');
        await recordFact(db, {
          tenant,
          at: row.createdAt,
          type: 'agent.key_registered',
          actor,
          subject: toTypeId('agt', agent.id),
          body: { key_id: toTypeId('key', row.id), thumbprint: row.thumbprint, alg: row.alg },
          events: [],
        });
        return { status: 201, body: { data: printKey(row) } };
      },
    }),
    route({
      method: 'get',
      path: '/v1/agents/:id/keys',
      summary: 'Keys of an agent.',
      tags,
      envelope,
      scope: ['keys:read', 'agents:read'],
      params: z.object({ id: idOf('agt') }),
      idempotency: 'none',
      replay: 'none',
      responses: { 200: z.object({ data: z.array(AgentKey) }) },
      handler: async ({ params, tenant, db }) => {
        const agent = found(await findAgent(db, tenant, params.id), 'agent', 'id');
        return { status: 200, body: { data: (await listAgentKeys(db, tenant, agent.id)).map(printKey) } };
      },
    }),
    route({
      method: 'post',
      path: '/v1/agents/:id/keys/:key_id/revoke',
      summary: 'Withdraws a key; repeating it changes nothing.',
      tags,
      envelope,
      scope,
      params: z.object({ id: idOf('agt'), key_id: idOf('key') }),
      body: z.strictObject({ reason: shortText.optional() }),
      example: { reason: 'the machine was lost' },
      idempotency: 'optional',
      replay: 'stored',
      responses: { 200: z.object({ data: AgentKey }) },
      handler: async ({ params, body, tenant, actor, db }) => {
        const at = new Date();
        const row = found(
          await revokeAgentKey(db, tenant, params.key_id, { agentId: params.id, reason: body.reason, at }),
          'key',
          'key_id',
        );
        if (row.revokedNow) {
          await recordFact(db, {
            tenant,
            at,
            type: 'agent.key_revoked',
            actor,
            subject: toTypeId('agt', row.agentId),
            body: { key_id: toTypeId('key', row.id), reason: body.reason ?? null },
            events: [],
          });
        }
        return { status: 200, body: { data: printKey(row) } };
      },
    }),
  ];
}
