import 'reflect-metadata';
import { KeyObject, type webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import { SignJWT, type JWTPayload } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseId } from '../../src/domain/ids.ts';
import {
  AUDIENCE,
  createActor,
  createAuthority,
  freshKeys,
  jwkOf,
  type Actor,
  type Authority,
} from './attestation-actors.ts';
import { startTestApi, type TestApi } from './setup.ts';

const SPIFFE_ID = 'spiffe://acme.example/agents/buyer';
const BUNDLES = '/v1/identities/trust-bundles';

let t: TestApi;
let a: Actor;
let urn: string;
let root: Authority;
let signing: webcrypto.CryptoKeyPair;
beforeAll(async () => {
  t = await startTestApi();
  a = await createActor(t, { spiffe_id: SPIFFE_ID });
  urn = `urn:prokura:agent:${parseId(a.agent_id, 'agt')}`;
  root = await createAuthority();
  signing = await freshKeys();
  const jwks = {
    keys: [{ ...(await jwkOf(signing.publicKey)), kid: 'authority-1', use: 'jwt-svid', key_ops: ['verify'] }],
  };
  await t.api('PUT', `${BUNDLES}/acme.example`, { jwks, x509_anchors: [root.certificate.toString('pem')] });
});
afterAll(() => t.close());

type Issued = Awaited<ReturnType<Authority['issue']>>;

/** A statement signed by the key of a certificate. */
async function statement({ keys }: Pick<Issued, 'keys'>, header: object = {}, claims: JWTPayload = {}) {
  const payload = { nonce: await a.nonce(), aud: AUDIENCE, agent: a.agent_id, ...claims };
  return new SignJWT(payload).setProtectedHeader({ alg: 'ES256', ...header }).sign(KeyObject.from(keys.privateKey));
}

const pem = (...certificates: x509.X509Certificate[]) =>
  certificates.map((certificate) => certificate.toString('pem')).join('\n');

async function attest(issued: Issued, chain: x509.X509Certificate[] = [issued.certificate]) {
  return a.verify({ type: 'x509', chain: pem(...chain), jws: await statement(issued) });
}

describe('an X.509 chain', () => {
  it('to an anchor of the organization proves the agent that it names, with a signed nonce', async () => {
    const leaf = await root.issue({ uri: urn });
    expect(await attest(leaf)).toMatchObject({ verified: true });
    const spiffe = await root.issue({ uri: SPIFFE_ID });
    expect(await attest(spiffe)).toMatchObject({ verified: true });
    const intermediate = await root.issue({ ca: true });
    const below = await intermediate.authority.issue({ uri: ['https://other.example', urn] });
    const chain = [below.certificate, intermediate.certificate];
    expect(await attest(below, chain)).toMatchObject({ verified: true });
    expect(await attest(below, [...chain, root.certificate])).toMatchObject({ verified: true });
    expect(
      await a.verify({ type: 'x509', chain: chain.map((one) => pem(one)), jws: await statement(below) }),
    ).toMatchObject({ verified: true });
    const x5c = chain.map(({ rawData }) => Buffer.from(rawData).toString('base64'));
    expect(await a.verify({ type: 'x509', jws: await statement(below, { x5c }) })).toMatchObject({ verified: true });
  });

  it('without possession of its key, or with a used nonce, proves nothing', async () => {
    const leaf = await root.issue({ uri: urn });
    const chain = pem(leaf.certificate);
    const other = { keys: await freshKeys() };
    const stolen = await a.verify({ type: 'x509', chain, jws: await statement(other) });
    expect(stolen).toMatchObject({ verified: false, failed: 'signature_valid' });
    const jws = await statement(leaf);
    expect(await a.verify({ type: 'x509', chain, jws })).toMatchObject({ verified: true });
    expect(await a.verify({ type: 'x509', chain, jws })).toMatchObject({ verified: false, failed: 'nonce_unused' });
    expect(await a.verify({ type: 'x509', chain })).toMatchObject({ verified: false, failed: 'token_parsed' });
  });

  it('that is broken anywhere is refused', async () => {
    const day = 86_400_000;
    const stranger = await createAuthority();
    const intermediate = await root.issue({ ca: true });
    const notAuthority = await root.issue({ uri: urn });
    const narrow = await root.issue({
      ca: true,
      extensions: [new x509.KeyUsagesExtension(x509.KeyUsageFlags.cRLSign, true)],
    });
    const underIntermediate = await intermediate.authority.issue({ uri: urn });
    const cases: Record<string, [Issued, x509.X509Certificate[]?]> = {
      'an unknown root of the same name': [await stranger.issue({ uri: urn })],
      'a self-signed leaf': [{ certificate: stranger.certificate, keys: stranger.keys, authority: stranger }],
      'a missing intermediate': [underIntermediate],
      'the wrong order': [underIntermediate, [intermediate.certificate, underIntermediate.certificate]],
      expired: [
        await root.issue({ uri: urn, notBefore: new Date(Date.now() - 2 * day), notAfter: new Date(Date.now() - day) }),
      ],
      'not valid yet': [await root.issue({ uri: urn, notBefore: new Date(Date.now() + day / 2) })],
      'an authority as leaf': [await root.issue({ uri: urn, ca: true })],
      'an unknown critical extension': [
        await root.issue({ uri: urn, extensions: [new x509.Extension('1.2.3.4', true, new Uint8Array([5, 0]))] }),
      ],
      'a leaf not for signatures': [
        await root.issue({ uri: urn, extensions: [new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyAgreement)] }),
      ],
      'a leaf for servers': [
        await root.issue({ uri: urn, extensions: [new x509.ExtendedKeyUsageExtension(['1.3.6.1.5.5.7.3.1'])] }),
      ],
    };
    for (const [name, issuer] of [
      ['a leaf as issuer', notAuthority],
      ['an issuer not for certificates', narrow],
    ] as const) {
      const leaf = await issuer.authority.issue({ uri: urn });
      cases[name] = [leaf, [leaf.certificate, issuer.certificate]];
    }
    for (const [what, [issued, chain]] of Object.entries(cases)) {
      expect({ what, ...(await attest(issued, chain)) }).toMatchObject({
        what,
        verified: false,
        failed: 'chain_valid',
      });
    }
    const long = Array.from({ length: 7 }, () => underIntermediate.certificate);
    expect(await attest(underIntermediate, long)).toMatchObject({ failed: 'chain_valid' });
  });

  it('keeps to the length that an authority allows', async () => {
    const short = await root.issue({ ca: true, extensions: [] });
    const limited = await x509.X509CertificateGenerator.create({
      serialNumber: '0a',
      subject: 'CN=Limited',
      issuer: root.certificate.subject,
      publicKey: short.keys.publicKey,
      signingKey: root.keys.privateKey,
      signingAlgorithm: { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' },
      notBefore: new Date(Date.now() - 1000),
      notAfter: new Date(Date.now() + 3_600_000),
      extensions: [new x509.BasicConstraintsExtension(true, 0, true)],
    });
    const issue = async (issuer: string, by: webcrypto.CryptoKey, ca: boolean) => {
      const keys = await freshKeys();
      const certificate = await x509.X509CertificateGenerator.create({
        serialNumber: '0b',
        subject: ca ? 'CN=Below' : 'CN=Leaf',
        issuer,
        publicKey: keys.publicKey,
        signingKey: by,
        signingAlgorithm: { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' },
        extensions: [
          new x509.BasicConstraintsExtension(ca, undefined, true),
          ...(ca ? [] : [new x509.SubjectAlternativeNameExtension([{ type: 'url', value: urn }])]),
        ],
        notBefore: new Date(Date.now() - 1000),
        notAfter: new Date(Date.now() + 3_600_000),
      });
      return { certificate, keys, authority: root };
    };
    const direct = await issue('CN=Limited', short.keys.privateKey, false);
    expect(await attest(direct, [direct.certificate, limited])).toMatchObject({ verified: true });
    const below = await issue('CN=Limited', short.keys.privateKey, true);
    const deep = await issue('CN=Below', below.keys.privateKey, false);
    expect(await attest(deep, [deep.certificate, below.certificate, limited])).toMatchObject({ failed: 'chain_valid' });
  });

  it('names the agent by URI; a SPIFFE id stands alone and under its own trust domain', async () => {
    const refused = { verified: false, failed: 'certificate_subject' };
    expect(await attest(await root.issue())).toMatchObject(refused);
    expect(await attest(await root.issue({ uri: 'urn:prokura:agent:other' }))).toMatchObject(refused);
    expect(await attest(await root.issue({ uri: [SPIFFE_ID, urn] }))).toMatchObject(refused);
    const elsewhere = await createAuthority('CN=Elsewhere');
    const x509_anchors = [pem(elsewhere.certificate)];
    await t.api('PUT', `${BUNDLES}/elsewhere.example`, { x509_anchors });
    expect(await attest(await elsewhere.issue({ uri: urn }))).toMatchObject({ verified: true });
    expect(await attest(await elsewhere.issue({ uri: SPIFFE_ID }))).toMatchObject(refused);
    await t.api('DELETE', `${BUNDLES}/elsewhere.example`);
    expect(await attest(await elsewhere.issue({ uri: urn }))).toMatchObject({ failed: 'chain_valid' });
  });

  it('is not believed by an organization that has no such anchor', async () => {
    const { key } = await t.stranger();
    const authorization = `Bearer ${key}`;
    expect((await t.api('GET', BUNDLES, undefined, { authorization })).body.data).toEqual([]);
    const one = await t.api('GET', `${BUNDLES}/acme.example`, undefined, { authorization });
    expect(one.status).toBe(404);
  });
});

describe('a JWT-SVID', () => {
  const now = () => Math.floor(Date.now() / 1000);
  const svid = (claims: JWTPayload = {}, header: object = {}, keys = signing) =>
    new SignJWT({ sub: SPIFFE_ID, aud: [AUDIENCE], exp: now() + 60, ...claims })
      .setProtectedHeader({ alg: 'ES256', kid: 'authority-1', typ: 'JWT', ...header })
      .sign(KeyObject.from(keys.privateKey));
  const check = async (token: string, by = a) => by.verify({ type: 'jwt-svid', token });

  it('of the agent’s SPIFFE id is judged by the bundle of its trust domain', async () => {
    expect(await check(await svid())).toMatchObject({ verified: true });
    expect(await check(await svid({}, { typ: 'JOSE' }))).toMatchObject({ verified: true });
    for (const [token, failed] of [
      [await svid({ sub: 'spiffe://acme.example/agents/other' }), 'token_subject'],
      [await svid({ aud: 'https://other.test' }), 'audience'],
      [await svid({ aud: undefined }), 'audience'],
      [await svid({ exp: now() - 70 }), 'token_fresh'],
      [await svid({ exp: undefined }), 'token_fresh'],
      [await svid({}, { kid: 'authority-2' }), 'key_registered'],
      [await svid({}, { kid: undefined }), 'key_registered'],
      [await svid({}, { typ: 'at+jwt' }), 'token_parsed'],
      [await svid({}, {}, await freshKeys()), 'signature_valid'],
    ] as const) {
      expect({ ...(await check(token)), failed }).toMatchObject({ verified: false, failed });
      expect((await check(token)).failed).toBe(failed);
    }
  });

  it('is signed by RSA or ECDSA only', async () => {
    const token = await new SignJWT({ sub: SPIFFE_ID, aud: AUDIENCE, exp: now() + 60 })
      .setProtectedHeader({ alg: 'EdDSA', kid: 'authority-1' })
      .sign(a.privateKey);
    expect(await check(token)).toMatchObject({ verified: false, failed: 'signature_algorithm' });
  });

  it('proves nothing of an agent without a SPIFFE id, or of a trust domain without a bundle', async () => {
    expect(await check(await svid(), await createActor(t))).toMatchObject({ failed: 'token_subject' });
    const sub = 'spiffe://nobody.example/x';
    const b = await createActor(t, { spiffe_id: sub });
    expect(await check(await svid({ sub }), b)).toMatchObject({ failed: 'trust_bundle' });
  });
});

describe('a trust bundle', () => {
  it('is put, read, listed and removed, and each is recorded', async () => {
    const jwk = { ...(await jwkOf((await freshKeys()).publicKey)), key_ops: undefined, ext: undefined };
    const path = `${BUNDLES}/spire.example`;
    const x5c = [Buffer.from((await createAuthority()).certificate.rawData).toString('base64')];
    const spiffeBundle = {
      spiffe_sequence: 1,
      keys: [
        { ...jwk, use: 'jwt-svid', kid: 'k1' },
        { ...jwk, use: 'x509-svid', x5c },
      ],
    };
    const created = await t.api('PUT', path, { jwks: spiffeBundle });
    expect(created).toMatchObject({
      status: 201,
      body: { trust_domain: 'spire.example', jwks: { keys: [{ kid: 'k1' }] } },
    });
    expect(created.body.x509_anchors).toHaveLength(1);
    const replaced = await t.api('PUT', path, { jwks: { keys: [{ ...jwk, kid: 'k2' }] } });
    expect(replaced).toMatchObject({ status: 200, body: { jwks: { keys: [{ kid: 'k2' }] }, x509_anchors: [] } });
    expect((await t.api('GET', path)).body).toEqual(replaced.body);
    expect((await t.api('GET', BUNDLES)).body.data).toContainEqual(replaced.body);
    expect((await t.api('DELETE', path)).status).toBe(200);
    expect((await t.api('DELETE', path)).status).toBe(404);
    const { rows } = await t.database.pool.query<{ type: string }>(
      `SELECT type FROM audit_entries WHERE body->>'trust_domain' = 'spire.example' ORDER BY seq`,
    );
    expect(rows.map(({ type }) => type)).toEqual(['trust_bundle.set', 'trust_bundle.set', 'trust_bundle.removed']);
  });

  it('that cannot vouch for anybody is refused, and nothing is changed', async () => {
    const leaf = (await root.issue({ uri: urn })).certificate;
    const jwk = await jwkOf((await freshKeys()).publicKey);
    const before = await t.rowCounts();
    for (const [body, code, path] of [
      [{}, 'invalid_request', 'jwks'],
      [{ jwks: { keys: [] } }, 'invalid_request', 'jwks'],
      [{ jwks: { keys: [jwk] } }, 'invalid_request', 'jwks.keys.0.kid'],
      [{ jwks: { keys: [{ kty: 'OKP', crv: 'Ed25519', x: 'A'.repeat(43), kid: 'k' }] } }, 'weak_key', 'jwks.keys.0.x'],
      [{ jwks: { keys: [{ ...jwk, kid: 'k', d: 'x' }] } }, 'invalid_request', 'jwks.keys.0.d'],
      [{ jwks: { keys: [{ use: 'x509-svid' }] } }, 'invalid_request', 'jwks.keys.0.x5c'],
      [{ x509_anchors: ['nonsense'] }, 'invalid_request', 'x509_anchors.0'],
      [{ x509_anchors: [pem(leaf)] }, 'invalid_request', 'x509_anchors.0'],
    ] as const) {
      const answer = await t.api('PUT', `${BUNDLES}/bad.example`, body);
      expect(answer).toMatchObject({ status: 400, body: { code } });
      expect(answer.body.errors[0].path).toBe(path);
    }
    expect((await t.api('PUT', `${BUNDLES}/Bad.Example`, { x509_anchors: [] })).status).toBe(404);
    const reader = await t.keyWith(['identities:read']);
    const headers = { authorization: `Bearer ${reader}` };
    expect(
      (await t.api('PUT', `${BUNDLES}/x.example`, { x509_anchors: [pem(root.certificate)] }, headers)).status,
    ).toBe(403);
    expect({ ...(await t.rowCounts()), api_keys: 0 }).toEqual({ ...before, api_keys: 0 });
  });
});
