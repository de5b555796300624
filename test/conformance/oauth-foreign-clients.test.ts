import * as DPoP from 'dpop';
import { createRemoteJWKSet, exportJWK, generateKeyPair, jwtVerify, SignJWT, type JWK } from 'jose';
import * as oauth from 'oauth4webapi';
import * as openid from 'openid-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Cast } from '../../src/cli/demo/cast.ts';
import { parseId, toTypeId } from '../../src/domain/ids.ts';
import type { Tenant } from '../../src/domain/types.ts';
import { insertOauthClient } from '../../src/store/oauth-clients.ts';
import { startJourney, type Journey } from '../journeys/journey.ts';

const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const JWT_TYPE = 'urn:ietf:params:oauth:token-type:jwt';
const SCOPES = ['agents:read', 'execution:read', 'execution:write', 'payments:read'];
const insecure = { [oauth.allowInsecureRequests]: true };

let t: Journey;
let issuer: URL;
let secretClient: string;
let keyClient: string;
let keyPair: { privateKey: oauth.CryptoKey; jwk: JWK };
let cast: Cast;

beforeAll(async () => {
  t = await startJourney();
  issuer = new URL(t.url);
  const tenant: Tenant = { orgId: parseId(t.credentials.org_id, 'org')!, mode: 'test' };
  const { pool } = t.database;
  secretClient = await insertOauthClient(pool, { tenant, name: 'secret', scopes: SCOPES, secret: 's3cr3t/+ü' });
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
  keyPair = { privateKey, jwk: await exportJWK(publicKey) };
  keyClient = await insertOauthClient(pool, { tenant, name: 'keys', scopes: SCOPES, jwks: { keys: [keyPair.jwk] } });
  cast = await t.cast();
});
afterAll(() => t.close());

async function discovered(): Promise<oauth.AuthorizationServer> {
  const answer = await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...insecure });
  return oauth.processDiscoveryResponse(issuer, answer);
}

async function delegationToken(): Promise<string> {
  const answer = await t.api<{ delegation_token: string }>('GET', `/v1/identities/delegations/${cast.everyday}`);
  return answer.body.delegation_token;
}

describe('oauth4webapi', () => {
  const methods = () =>
    [
      ['client_secret_basic', secretClient, oauth.ClientSecretBasic('s3cr3t/+ü')],
      ['client_secret_post', secretClient, oauth.ClientSecretPost('s3cr3t/+ü')],
      ['private_key_jwt', keyClient, oauth.PrivateKeyJwt(keyPair.privateKey)],
    ] as const;

  it('gets, uses, introspects and revokes a token by each published way to authenticate', async () => {
    const as = await discovered();
    for (const [method, client_id, auth] of methods()) {
      expect(as.token_endpoint_auth_methods_supported).toContain(method);
      const client: oauth.Client = { client_id };
      const granted = await oauth.processClientCredentialsResponse(
        as,
        client,
        await oauth.clientCredentialsGrantRequest(as, client, auth, { scope: 'agents:read' }, insecure),
      );
      expect(granted).toMatchObject({ token_type: 'bearer', expires_in: 600, scope: 'agents:read' });
      const call = () =>
        oauth.protectedResourceRequest(
          granted.access_token,
          'GET',
          new URL('/v1/agents', issuer),
          undefined,
          null,
          insecure,
        );
      expect((await call()).status).toBe(200);
      const introspect = async () =>
        oauth.processIntrospectionResponse(
          as,
          client,
          await oauth.introspectionRequest(as, client, auth, granted.access_token, insecure),
        );
      expect(await introspect()).toMatchObject({ active: true, client_id, scope: 'agents:read', aud: issuer.origin });
      await oauth.processRevocationResponse(
        await oauth.revocationRequest(as, client, auth, granted.access_token, insecure),
      );
      expect(await introspect()).toEqual({ active: false });
      await expect(call()).rejects.toThrow(oauth.WWWAuthenticateChallengeError);
    }
  });

  it('binds a token to its key, and its own resource server accepts it with our keys', async () => {
    const as = await discovered();
    const client: oauth.Client = { client_id: keyClient };
    const handle = oauth.DPoP(client, await oauth.generateKeyPair('ES256'));
    const auth = oauth.PrivateKeyJwt(keyPair.privateKey);
    const options = { DPoP: handle, ...insecure };
    const granted = await oauth.processClientCredentialsResponse(
      as,
      client,
      await oauth.clientCredentialsGrantRequest(as, client, auth, {}, options),
    );
    expect(granted.token_type).toBe('dpop');
    const url = new URL('/v1/agents?limit=1', issuer);
    const call = (headers?: Headers) =>
      oauth.protectedResourceRequest(granted.access_token, 'GET', url, headers, null, options);
    expect((await call()).status).toBe(200);

    // What we issue is what a foreign resource server expects of RFC 9068 and RFC 9449, with a proof of the bound key.
    let sent = new Headers();
    await oauth.protectedResourceRequest(granted.access_token, 'GET', url, undefined, null, {
      ...options,
      [oauth.customFetch]: (_url, { headers }) => {
        sent = new Headers(headers);
        return Promise.resolve(new Response());
      },
    });
    const judged = await oauth.validateJwtAccessToken(as, new Request(url, { headers: sent }), issuer.origin, insecure);
    expect(judged).toMatchObject({ client_id: keyClient, cnf: { jkt: await handle.calculateThumbprint() } });
    const proof = await DPoP.generateProof(
      await DPoP.generateKeyPair('ES256'),
      url.href,
      'GET',
      undefined,
      granted.access_token,
    );
    const request = (headers: Record<string, string>) => new Request(url, { headers });
    const stolen = { authorization: `DPoP ${granted.access_token}`, dpop: proof };
    await expect(oauth.validateJwtAccessToken(as, request(stolen), issuer.origin, insecure)).rejects.toThrow();
    expect((await fetch(url, { headers: stolen })).status).toBe(401);
  });

  it('exchanges a delegation token for one that a third party verifies with our keys', async () => {
    const as = await discovered();
    const client: oauth.Client = { client_id: keyClient };
    const answer = await oauth.genericTokenEndpointRequest(
      as,
      client,
      oauth.PrivateKeyJwt(keyPair.privateKey),
      EXCHANGE,
      {
        subject_token: await delegationToken(),
        subject_token_type: JWT_TYPE,
        audience: 'https://shop.example',
        scope: 'payments:read',
      },
      insecure,
    );
    const granted = await oauth.processGenericTokenEndpointResponse(as, client, answer);
    expect(granted).toMatchObject({
      issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      token_type: 'bearer',
      scope: 'payments:read',
    });
    const atShop = new Request('https://shop.example/', {
      headers: { authorization: `Bearer ${granted.access_token}` },
    });
    const claims = await oauth.validateJwtAccessToken(as, atShop, 'https://shop.example', insecure);
    expect(claims).toMatchObject({
      sub: cast.principal_id,
      act: { sub: toTypeId('agt', cast.agent_id) },
      delegation_id: cast.everyday,
    });
    // It is nobody's key to this API.
    const here = await fetch(new URL(`/v1/payments/${cast.everyday}`, issuer), {
      headers: { authorization: `Bearer ${granted.access_token}` },
    });
    expect(here.status).toBe(401);
  });
});

describe('openid-client', () => {
  const configured = (clientId: string, auth: openid.ClientAuth) =>
    openid.discovery(issuer, clientId, undefined, auth, {
      algorithm: 'oauth2',
      execute: [openid.allowInsecureRequests],
    });

  it('gets, uses, introspects and revokes tokens, by secret and by key, bound and not', async () => {
    const ways: [string, openid.ClientAuth][] = [
      [secretClient, openid.ClientSecretBasic('s3cr3t/+ü')],
      [secretClient, openid.ClientSecretPost('s3cr3t/+ü')],
      [keyClient, openid.PrivateKeyJwt(keyPair.privateKey)],
    ];
    for (const [id, auth] of ways) {
      const config = await configured(id, auth);
      for (const bound of [undefined, openid.getDPoPHandle(config, await openid.randomDPoPKeyPair('Ed25519'))]) {
        const granted = await openid.clientCredentialsGrant(config, { scope: 'agents:read' }, { DPoP: bound });
        expect(granted.token_type).toBe(bound ? 'dpop' : 'bearer');
        const url = new URL('/v1/agents', issuer);
        const call = () =>
          openid.fetchProtectedResource(config, granted.access_token, url, 'GET', null, undefined, { DPoP: bound });
        expect((await call()).status).toBe(200);
        const told = await openid.tokenIntrospection(config, granted.access_token);
        expect(told).toMatchObject({ active: true, token_type: bound ? 'DPoP' : 'Bearer' });
        expect(told['cnf'] !== undefined).toBe(bound !== undefined);
        await openid.tokenRevocation(config, granted.access_token);
        expect((await openid.tokenIntrospection(config, granted.access_token)).active).toBe(false);
      }
    }
  });

  it('exchanges a delegation token, with the agent’s own word, for a token bound to its key', async () => {
    const agentKeys = await generateKeyPair('EdDSA', { extractable: true });
    const registered = await t.api('POST', `/v1/agents/${cast.agent_id}/keys`, {
      jwk: await exportJWK(agentKeys.publicKey),
    });
    expect(registered.status).toBe(201);
    const actorToken = await new SignJWT({ jti: crypto.randomUUID() })
      .setProtectedHeader({ alg: 'EdDSA' })
      .setIssuer(cast.agent_id)
      .setSubject(cast.agent_id)
      .setAudience(issuer.origin)
      .setExpirationTime('2m')
      .sign(agentKeys.privateKey);
    const config = await configured(secretClient, openid.ClientSecretBasic('s3cr3t/+ü'));
    const bound = openid.getDPoPHandle(config, await openid.randomDPoPKeyPair());
    const parameters = {
      subject_token: await delegationToken(),
      subject_token_type: JWT_TYPE,
      actor_token: actorToken,
      actor_token_type: JWT_TYPE,
    };
    const granted = await openid.genericGrantRequest(config, EXCHANGE, parameters, { DPoP: bound });
    expect(granted).toMatchObject({ token_type: 'dpop', scope: 'execution:read execution:write payments:read' });
    const { payload } = await jwtVerify(
      granted.access_token,
      createRemoteJWKSet(new URL(config.serverMetadata().jwks_uri!)),
      { issuer: issuer.origin, audience: issuer.origin, typ: 'at+jwt' },
    );
    expect(payload).toMatchObject({
      sub: cast.principal_id,
      act: { sub: toTypeId('agt', cast.agent_id) },
      client_id: secretClient,
    });
    // The word is good once.
    await expect(openid.genericGrantRequest(config, EXCHANGE, parameters, { DPoP: bound })).rejects.toMatchObject({
      error: 'invalid_request',
    });
  });
});

describe('dpop', () => {
  it('makes proofs that open a protected route, each one once', async () => {
    const keys = await DPoP.generateKeyPair('ES256');
    const tokenUrl = new URL('/oauth/token', issuer).href;
    const answer = await fetch(tokenUrl, {
      method: 'POST',
      headers: { dpop: await DPoP.generateProof(keys, tokenUrl, 'POST') },
      body: new URLSearchParams({
        grant_type: 'client_credentials',
        client_id: secretClient,
        client_secret: 's3cr3t/+ü',
      }),
    });
    const { access_token: token, token_type } = (await answer.json()) as { access_token: string; token_type: string };
    expect(token_type).toBe('DPoP');
    const url = new URL('/v1/agents', issuer).href;
    const proof = await DPoP.generateProof(keys, url, 'GET', undefined, token);
    const call = (headers: Record<string, string>) => fetch(url, { headers });
    expect((await call({ authorization: `DPoP ${token}`, dpop: proof })).status).toBe(200);
    const again = await call({ authorization: `DPoP ${token}`, dpop: proof });
    expect(again.status).toBe(401);
    expect(again.headers.get('www-authenticate')).toMatch(/^DPoP error="invalid_dpop_proof", error_description="/);
    const asBearer = await call({ authorization: `Bearer ${token}` });
    expect(asBearer.status).toBe(401);
    expect(asBearer.headers.get('www-authenticate')).toMatch(/^DPoP error="invalid_token"/);
  });
});
