import type { Request, RequestHandler } from 'express';
import { covers } from '../../domain/access-scopes.ts';
import { Problem } from '../../domain/errors.ts';
import { parseId } from '../../domain/ids.ts';
import type { Tenant } from '../../domain/types.ts';
import { credentialsOf } from '../access/credentials.ts';
import { lastUsesOf } from '../access/last-uses.ts';
import { recordMisdirected } from '../access/misdirected-token.ts';
import type { ApiDeps } from '../deps.ts';
import { CHALLENGES, checkBinding, type Presented } from './check-binding.ts';
import { invalidRequest } from './invalid-request.ts';
import { stateOf, type Access } from './state.ts';

const API_KEY = /^prk_(?:test|live)_/;

/** Finds out whose request this is: `Authorization: Bearer` or `DPoP` (API key or access token), or `x-api-key`. */
export function authenticate(deps: ApiDeps): RequestHandler {
  const { pool, signer, config } = deps;
  const credentials = credentialsOf(pool);
  const uses = lastUsesOf(pool);
  return async (req, res, next) => {
    const given = presented(req);
    if (given === undefined) {
      res.setHeader('WWW-Authenticate', CHALLENGES);
      throw new Problem('unauthorized', 'Send an API key or access token as Authorization: Bearer, or as x-api-key.');
    }
    const { secret } = given;
    const isApiKey = API_KEY.test(secret);
    const access = isApiKey
      ? await credentials.ofApiKey(secret)
      : await credentials.ofAccessToken(signer, config.publicUrl, secret);
    if (!access) {
      if (!isApiKey) await recordMisdirected(deps, secret);
      // RFC 6750 §3.1, RFC 9449 §7.1
      res.setHeader('WWW-Authenticate', `${given.scheme === 'dpop' ? 'DPoP' : 'Bearer'} error="invalid_token"`);
      throw new Problem('unauthorized', 'The credential is unknown, expired or revoked.');
    }
    await checkBinding(deps, req, res, { access, ...given });
    uses.note(access);
    const state = stateOf(req);
    state.access = inOrganization(req, access);
    if (isApiKey) state.presentedKey = secret;
    next();
  };
}

/** The credential that a request brings, as it came. */
export function presented(req: Pick<Request, 'headers'>): Presented | undefined {
  const { authorization } = req.headers;
  if (authorization !== undefined) {
    const [, scheme, secret] = /^(Bearer|DPoP) +(\S+)$/i.exec(authorization) ?? [];
    return secret === undefined ? undefined : { scheme: scheme!.toLowerCase() as 'bearer' | 'dpop', secret };
  }
  const key = req.headers['x-api-key'];
  return typeof key === 'string' && key !== '' ? { scheme: 'x-api-key', secret: key } : undefined;
}

/** Whether a request that is still being answered would be let in now: its credential, for this tenant, with the scope. */
export async function mayStill(
  deps: ApiDeps,
  headers: Request['headers'],
  { tenant, scope }: { tenant: Tenant; scope: string },
): Promise<boolean> {
  const secret = presented({ headers })?.secret;
  if (secret === undefined) return false;
  const credentials = credentialsOf(deps.pool);
  const access = API_KEY.test(secret)
    ? await credentials.ofApiKey(secret)
    : await credentials.ofAccessToken(deps.signer, deps.config.publicUrl, secret);
  if (!access) return false;
  const { orgId } = tenant;
  const there = access.tenant.orgId === orgId ? access : access.organizations?.find((one) => one.orgId === orgId);
  return there !== undefined && covers(there.scopes, scope);
}

/**
 * The credential in the organization that the request names; it has to name one when there are several.
 * @throws Problem `invalid_request`, `organization_mismatch`
 */
function inOrganization(req: Request, access: Access): Access {
  const header = req.headers['x-kachyng-org'];
  const { organizations } = access;
  if (header === undefined) {
    if (!organizations) return access;
    throw invalidRequest('X-Kachyng-Org', 'is required: this client belongs to several organizations');
  }
  const named = parseId(String(header), 'org');
  if (named === undefined) throw invalidRequest('X-Kachyng-Org', 'must be an organization id (org_…)');
  if (named === access.tenant.orgId) return access;
  const other = organizations?.find(({ orgId }) => orgId === named);
  if (!other) {
    throw new Problem('organization_mismatch', 'X-Kachyng-Org names an organization that the credential is not of.', {
      fields: [{ path: 'X-Kachyng-Org', message: 'is not the organization of the credential' }],
    });
  }
  return { ...access, tenant: { orgId: other.orgId, mode: access.tenant.mode }, scopes: other.scopes };
}
