import { randomUUID } from 'node:crypto';
import { exportJWK, generateKeyPair, type CryptoKey, type JWK } from 'jose';
import { expect } from 'vitest';
import { insertOauthClient, type NewOauthClient } from '../../src/store/oauth-clients.ts';
import { startTestApi, type Answer, type TestApi } from './setup.ts';

/** The issuer of the test application. */
export const ISSUER = 'http://api.test';

export const nowSeconds = (): number => Math.floor(Date.now() / 1000);

export interface Keys {
  privateKey: CryptoKey;
  publicKey: CryptoKey;
  jwk: JWK;
}

export async function makeKeyPair(alg = 'ES256'): Promise<Keys> {
  const pair = await generateKeyPair(alg, { extractable: true });
  return { ...pair, jwk: await exportJWK(pair.publicKey) };
}

export interface Delegated {
  delegation_id: string;
  delegation_token: string;
  agent_id: string;
}

export interface OauthStage {
  t: TestApi;
  /** A client of `agents:read` and `execution:write`. */
  client(more: Partial<NewOauthClient>): Promise<string>;
  /** The parameters of a token request by a client with a secret. */
  bySecret: { grant_type: string; client_id: string; client_secret: string };
  /** Posts a form, without any credential in the headers. */
  form(
    members: Record<string, string> | [string, string][],
    headers?: Record<string, string>,
    path?: string,
  ): Promise<Answer>;
  /** Codes of the abuse that the audit trail tells of a client. */
  abuses(clientId: string): Promise<string[]>;
  /** A principal, an agent, and a delegation of the one to the other. */
  delegate(more?: object, key?: string): Promise<Delegated>;
}

export async function startOauthStage(): Promise<OauthStage> {
  const t = await startTestApi();
  const scopes = ['agents:read', 'execution:write'];
  const client: OauthStage['client'] = (more) =>
    insertOauthClient(t.deps.pool, { tenant: t.tenant, name: 'c', scopes, ...more });
  return {
    t,
    client,
    bySecret: {
      grant_type: 'client_credentials',
      client_id: await client({ secret: 'prs_test' }),
      client_secret: 'prs_test',
    },
    form: (members, headers = {}, path = '/oauth/token') =>
      t.api('POST', path, new URLSearchParams(members).toString(), {
        authorization: '',
        'content-type': 'application/x-www-form-urlencoded',
        ...headers,
      }),
    async abuses(clientId) {
      const { rows } = await t.deps.pool.query<{ code: string }>(
        `SELECT body->>'code' AS code FROM audit_entries WHERE type = 'security.abuse' AND actor = $1 ORDER BY seq`,
        [`client:${clientId}`],
      );
      return rows.map((row) => row.code);
    },
    async delegate(more = { ttl_seconds: 3600 }, key = t.key) {
      const headers = { authorization: `Bearer ${key}` };
      const person = { external_ref: randomUUID(), type: 'person', name: 'Ada' };
      const principal = await t.api('POST', '/v1/identities/principals', person, headers);
      const agent = await t.api('POST', '/v1/agents', { name: 'buyer', model_hash: 'sha256:1' }, headers);
      const agent_id: string = agent.body.data.id;
      const scope = { actions: ['payment.authorize'], currencies: ['EUR'], max_amount: 100 };
      const body = { principal_id: principal.body.principal_id, agent_id, scope, ...more };
      const made = await t.api('POST', '/v1/identities/delegations', body, headers);
      expect(made.status).toBe(201);
      return { ...(made.body as Omit<Delegated, 'agent_id'>), agent_id };
    },
  };
}
