import type { Request, RequestHandler } from 'express';
import { Problem } from '../../domain/errors.ts';
import { parseId } from '../../domain/ids.ts';
import { credentialsOf } from '../access/credentials.ts';
import type { ApiDeps } from '../deps.ts';
import { invalidRequest } from './invalid-request.ts';
import { stateOf } from './state.ts';

const API_KEY = /^prk_(?:test|live)_/;

/** Finds out whose request this is: `Authorization: Bearer` (API key or access token), or `x-api-key`. */
export function authenticate({ pool, signer, config }: ApiDeps): RequestHandler {
  const credentials = credentialsOf(pool);
  return async (req, res, next) => {
    const secret = presented(req);
    if (secret === undefined) {
      res.setHeader('WWW-Authenticate', 'Bearer');
      throw new Problem('unauthorized', 'Send an API key or access token as Authorization: Bearer, or as x-api-key.');
    }
    const isApiKey = API_KEY.test(secret);
    const access = isApiKey
      ? await credentials.ofApiKey(secret)
      : await credentials.ofAccessToken(signer, config.publicUrl, secret);
    if (!access) {
      // RFC 6750 §3.1
      res.setHeader('WWW-Authenticate', 'Bearer error="invalid_token"');
      throw new Problem('unauthorized', 'The credential is unknown, expired or revoked.');
    }
    checkOrganization(req, access.tenant.orgId);
    const state = stateOf(req);
    state.access = access;
    if (isApiKey) state.presentedKey = secret;
    next();
  };
}

function presented(req: Request): string | undefined {
  const { authorization } = req.headers;
  if (authorization !== undefined) return /^Bearer +(\S+)$/i.exec(authorization)?.[1];
  const key = req.headers['x-api-key'];
  return typeof key === 'string' && key !== '' ? key : undefined;
}

function checkOrganization(req: Request, orgId: string): void {
  const header = req.headers['x-kachyng-org'];
  if (header === undefined) return;
  const named = parseId(String(header), 'org');
  if (named === undefined) throw invalidRequest('X-Kachyng-Org', 'must be an organization id (org_…)');
  if (named !== orgId) {
    throw new Problem('organization_mismatch', 'X-Kachyng-Org names an organization that the credential is not of.', {
      fields: [{ path: 'X-Kachyng-Org', message: 'is not the organization of the credential' }],
    });
  }
}
