import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { Problem } from '../../domain/errors.ts';
import { toTypeId } from '../../domain/ids.ts';
import { findAgent } from '../../store/agents.ts';
import { issueNonce } from '../../store/nonces.ts';
import type { ApiDeps } from '../deps.ts';
import { found } from '../not-found.ts';
import { route, type AnyRoute } from '../route.ts';
import { idOf, timeOut, typeId } from '../schemas.ts';

const LIFETIME_MS = 300_000;

export function nonceRoute({ config }: ApiDeps): AnyRoute {
  return route({
    method: 'post',
    path: '/v1/identities/nonces',
    summary: 'Gives an agent a nonce to sign: good once, for five minutes, and for this agent alone.',
    description:
      'The agent signs a compact JWS over `{"nonce", "aud": <audience>, "agent": <agent_id>}`; it is presented to ' +
      '`/v1/identities/verify` as `signed-nonce` or with `x509`.',
    tags: ['Identity'],
    scope: ['identities:read', 'identities:write'],
    body: z.strictObject({ agent_id: idOf('agt') }),
    example: { agent_id: 'agt_01h455vb4pex5vsknk084sn02q' },
    idempotency: 'none',
    replay: 'none',
    responses: {
      201: z.object({ nonce: z.string(), agent_id: typeId('agt'), audience: z.string(), expires_at: timeOut }),
    },
    handler: async ({ body, tenant, db }) => {
      const agent = found(await findAgent(db, tenant, body.agent_id), 'agent', 'agent_id');
      if (agent.status === 'retired') throw new Problem('unprocessable', 'The agent is retired.');
      const nonce = randomBytes(32).toString('base64url');
      const expiresAt = new Date(Date.now() + LIFETIME_MS);
      await issueNonce(db, tenant, { nonce, agentId: agent.id, expiresAt });
      return {
        status: 201,
        body: {
          nonce,
          agent_id: toTypeId('agt', agent.id),
          audience: config.publicUrl,
          expires_at: expiresAt.toISOString(),
        },
      };
    },
  });
}
