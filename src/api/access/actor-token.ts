import { decodeProtectedHeader } from 'jose';
import { parseId, toTypeId } from '../../domain/ids.ts';
import type { Tenant } from '../../domain/types.ts';
import { recordAbuse } from '../../store/abuse.ts';
import { isLive, listAgentKeys, type AgentKeyRow } from '../../store/agent-keys.ts';
import type { OauthClientRow } from '../../store/oauth-clients.ts';
import type { Db } from '../../store/pool.ts';
import { useOnce } from '../../store/used-identifiers.ts';
import { readJws, verifiesUnder } from '../../trust/jws.ts';
import type { ApiDeps } from '../deps.ts';
import type { Acting } from '../route.ts';
import { OauthError } from './oauth-error.ts';
import { JwtRefused, readSignedJwt, SKEW_SECONDS } from './signed-jwt.ts';

/** An actor token is made for one exchange. */
const ACTOR_MAX_SECONDS = 600;

interface ActorFacts {
  client: OauthClientRow;
  tenant: Tenant;
  acting: Acting;
  now: Date;
}

/**
 * The agent's own word that it is the one who acts: signed by a key that is registered for it, used once.
 * @returns the key
 * @throws OauthError `invalid_request`
 */
export async function checkActor(
  { config, pool, log }: ApiDeps,
  db: Db,
  facts: ActorFacts,
  token: string,
): Promise<AgentKeyRow> {
  const { client, tenant, acting, now } = facts;
  const kid = kidIn(token);
  const live = (await listAgentKeys(db, tenant, acting.agentId)).filter((key) => isLive(key, now));
  // A key may be named by its thumbprint or by its id here.
  const keys = live.map(({ id, jwk, thumbprint }) => ({
    ...jwk,
    kid: kid !== undefined && parseId(kid, 'key') === id ? kid : thumbprint,
  }));
  const agent = toTypeId('agt', acting.agentId);
  try {
    const { jti, expiresAt } = await readSignedJwt(
      token,
      { keys },
      {
        audiences: [config.publicUrl, `${config.publicUrl}/oauth/token`],
        names: [agent, acting.agentId],
        maxLifetime: ACTOR_MAX_SECONDS,
        now,
      },
    );
    const until = new Date((expiresAt + SKEW_SECONDS) * 1000);
    if (!(await useOnce(db, 'actor_token', acting.agentId, { identifier: jti, until }))) {
      throw new JwtRefused('replayed', 'its jti was used before', true);
    }
    return await signerOf(token, live);
  } catch (error) {
    if (!(error instanceof JwtRefused)) throw error;
    if (error.suspicious) {
      const by = { tenant, actor: `client:${client.id}`, subject: agent, at: now };
      await recordAbuse(pool, log, { ...by, code: `actor_token_${error.code}`, detail: error.message });
    }
    throw new OauthError('invalid_request', `The actor_token is refused: ${error.message}.`);
  }
}

/** Which of the keys signed a token that was found good. */
async function signerOf(token: string, keys: AgentKeyRow[]): Promise<AgentKeyRow> {
  const jws = readJws(token);
  for (const key of keys) if (await verifiesUnder(jws, key)) return key;
  throw new JwtRefused('bad_signature', 'the signature does not verify');
}

function kidIn(token: string): string | undefined {
  try {
    const { kid } = decodeProtectedHeader(token);
    return typeof kid === 'string' ? kid : undefined;
  } catch {
    return undefined;
  }
}
