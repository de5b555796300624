import { recordAbuse } from '../../store/abuse.ts';
import type { ApiDeps } from '../deps.ts';
import { readAccessToken } from './access-token.ts';

/**
 * Records that a token which is meant for another party was sent here: whoever was handed it tries what else it opens.
 * Anything else that is refused is of nobody that could be named.
 */
export async function recordMisdirected({ pool, log, signer, config }: ApiDeps, token: string): Promise<void> {
  const claims = await readAccessToken(signer, config.publicUrl, token, 'any');
  if (!claims || claims.audience === config.publicUrl) return;
  await recordAbuse(pool, log, {
    tenant: { orgId: claims.orgId, mode: claims.mode },
    actor: `client:${claims.clientId}`,
    code: 'access_token_wrong_audience',
    detail: 'an access token that is meant for another party was sent to this API',
    at: new Date(),
  });
}
