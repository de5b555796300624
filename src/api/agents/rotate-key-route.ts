import { z } from 'zod';
import { Problem } from '../../domain/errors.ts';
import { toTypeId } from '../../domain/ids.ts';
import { endAgentKey, insertAgentKey, listAgentKeys } from '../../store/agent-keys.ts';
import { findAgent } from '../../store/agents.ts';
import { recordFact } from '../../store/facts.ts';
import { found } from '../not-found.ts';
import { route, type AnyRoute } from '../route.ts';
import { idOf } from '../schemas.ts';
import { keyTaken } from './agent-routes.ts';
import { AgentKey, keyMembers, printKey, readKey } from './key-body.ts';

const DAY_SECONDS = 86_400;

/** A new key in the place of an old one, which stays good for a while: nothing that is under way fails. */
export function rotateKeyRoute(): AnyRoute {
  return route({
    method: 'post',
    path: '/v1/agents/:id/keys/:key_id/rotate',
    summary: 'Puts a new key in the place of one, which stays good for `overlap_seconds`.',
    description: 'A key that was taken is withdrawn instead: `/revoke` ends it at once.',
    tags: ['Agents'],
    envelope: 'kakunin',
    scope: ['keys:write', 'agents:write'],
    params: z.object({ id: idOf('agt'), key_id: idOf('key') }),
    body: z.strictObject({
      ...keyMembers,
      overlap_seconds: z
        .number()
        .int()
        .min(0)
        .max(30 * DAY_SECONDS)
        .default(DAY_SECONDS),
    }),
    example: {
      jwk: { kty: 'OKP', crv: 'Ed25519', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo' },
      overlap_seconds: 3600,
    },
    idempotency: 'optional',
    replay: 'stored',
    responses: { 201: z.object({ data: AgentKey.extend({ replaced: AgentKey }) }) },
    handler: async ({ params, body, tenant, actor, db }) => {
      const key = await readKey(body);
      const agent = found(await findAgent(db, tenant, params.id), 'agent', 'id');
      if (agent.status === 'retired') throw new Problem('unprocessable', 'The agent is retired.');
      const keys = await listAgentKeys(db, tenant, agent.id);
      const old = found(
        keys.find(({ id }) => id === params.key_id),
        'key',
        'key_id',
      );
      const at = new Date();
      const notAfter = new Date(at.getTime() + body.overlap_seconds * 1000);
      const ended = await endAgentKey(db, tenant, old.id, { agentId: agent.id, notAfter });
      if (!ended) throw new Problem('unprocessable', 'The key is withdrawn; register the new one by itself.');
      const row = await insertAgentKey(db, tenant, agent.id, {
        ...key,
        label: key.label ?? old.label ?? undefined,
        replaces: old.id,
      });
      if (!row) throw keyTaken(key, body.jwk ? 'jwk' : 'pem');
      await recordFact(db, {
        tenant,
        at,
        type: 'agent.key_rotated',
        actor,
        subject: toTypeId('agt', agent.id),
        body: {
          key_id: toTypeId('key', row.id),
          thumbprint: row.thumbprint,
          alg: row.alg,
          replaces: toTypeId('key', old.id),
          replaced_not_after: ended.notAfter!.toISOString(),
        },
        events: [],
      });
      return { status: 201, body: { data: { ...printKey(row), replaced: printKey(ended) } } };
    },
  });
}
