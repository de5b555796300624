import 'reflect-metadata';
import { KeyObject } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import { SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseId } from '../../src/domain/ids.ts';
import { AUDIENCE, createActor, createAuthority, type Actor, type Authority } from './attestation-actors.ts';
import { startTestApi, type TestApi } from './setup.ts';

const BUNDLE = '/v1/identities/trust-bundles/acme.example';
const HOUR_MS = 3_600_000;

let t: TestApi;
let a: Actor;
let urn: string;
let root: Authority;
beforeAll(async () => {
  t = await startTestApi();
  a = await createActor(t);
  urn = `urn:prokura:agent:${parseId(a.agent_id, 'agt')}`;
  root = await createAuthority();
});
afterAll(() => t.close());

type Issued = Awaited<ReturnType<Authority['issue']>>;

/** A list by `authority`, good from `ageMs` ago for an hour. */
async function listBy(
  authority: Authority,
  revoked: Issued[] = [],
  { ageMs = 60_000, name = '', keys = authority.keys } = {},
) {
  const thisUpdate = new Date(Date.now() - ageMs);
  const list = await x509.X509CrlGenerator.create({
    issuer: name || authority.certificate.subject,
    thisUpdate,
    nextUpdate: new Date(thisUpdate.getTime() + HOUR_MS),
    signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
    signingKey: keys.privateKey,
    entries: revoked.map(({ certificate: { serialNumber } }) => ({ serialNumber, revocationDate: thisUpdate })),
  });
  return list.toString('pem');
}

const put = (x509_crls?: string[]) =>
  t.api('PUT', BUNDLE, { x509_anchors: [root.certificate.toString('pem')], ...(x509_crls ? { x509_crls } : {}) });

async function attest({ certificate, keys }: Issued, more: object = {}, above: x509.X509Certificate[] = []) {
  const claims = { nonce: await a.nonce(), aud: AUDIENCE, agent: a.agent_id };
  const jws = await new SignJWT(claims).setProtectedHeader({ alg: 'ES256' }).sign(KeyObject.from(keys.privateKey));
  const chain = [certificate, ...above].map((one) => one.toString('pem')).join('\n');
  return a.verify({ type: 'x509', chain, jws, ...more });
}

const REFUSED = { verified: false, failed: 'certificate_status' };

describe('a chain under an authority with a revocation list', () => {
  it('is good until a list names it, and only that one', async () => {
    const [one, other] = [await root.issue({ uri: urn }), await root.issue({ uri: urn })];
    await put([await listBy(root)]);
    expect(await attest(one)).toMatchObject({ verified: true });
    const answer = await put([await listBy(root, [one])]);
    expect(answer).toMatchObject({ status: 200, body: { x509_crls: [expect.stringContaining('BEGIN')] } });
    expect(await attest(one)).toMatchObject(REFUSED);
    expect(await attest(other)).toMatchObject({ verified: true });
    // Put without lists, there are none: it stands until the anchor is removed.
    await put();
    expect(await attest(one)).toMatchObject({ verified: true });
  });

  it('is not good by a list that has ended, until a newer one is put there or brought along', async () => {
    const leaf = await root.issue({ uri: urn });
    await put([await listBy(root, [], { ageMs: 2 * HOUR_MS })]);
    expect(await attest(leaf)).toMatchObject(REFUSED);
    expect(await attest(leaf, { crls: await listBy(root) })).toMatchObject({ verified: true });
    await put([await listBy(root)]);
    expect(await attest(leaf)).toMatchObject({ verified: true });
  });

  it('is not cleared by an older list that it brings, nor by one of its own making', async () => {
    const leaf = await root.issue({ uri: urn });
    const before = await listBy(root, [], { ageMs: 120_000 });
    await put([await listBy(root, [leaf])]);
    expect(await attest(leaf, { crls: [before] })).toMatchObject(REFUSED);
    const { subject: name } = root.certificate;
    const forged = await listBy(root, [], { ageMs: 1_000, name, keys: leaf.keys });
    expect(await attest(leaf, { crls: [forged] })).toMatchObject(REFUSED);
    expect(await attest(leaf, { crls: 'nonsense' })).toMatchObject(REFUSED);
    expect(await attest(leaf, { crls: [7] })).toMatchObject(REFUSED);
  });

  it('needs a list of the issuer of its leaf, and heeds that of the authority above', async () => {
    const middle = await root.issue({ ca: true });
    const leaf = await middle.authority.issue({ uri: urn });
    const above = [middle.certificate];
    await put([await listBy(root)]);
    expect(await attest(leaf, {}, above)).toMatchObject(REFUSED);
    const clears = await listBy(middle.authority);
    expect(await attest(leaf, { crls: clears }, above)).toMatchObject({ verified: true });
    await put([await listBy(root, [middle]), clears]);
    expect(await attest(leaf, {}, above)).toMatchObject(REFUSED);
  });

  it('control: brought lists alone revoke as well', async () => {
    const leaf = await root.issue({ uri: urn });
    await put();
    expect(await attest(leaf, { crls: [await listBy(root, [leaf])] })).toMatchObject(REFUSED);
  });
});

describe('a revocation list', () => {
  it('that cannot be read, or is not signed by the anchor of its name, is refused, and nothing is changed', async () => {
    await put([await listBy(root)]);
    const { body: before } = await t.api('GET', BUNDLE);
    const { keys } = await createAuthority('CN=Somebody');
    for (const list of ['nonsense', root.certificate.toString('pem'), await listBy(root, [], { keys })]) {
      const answer = await put([await listBy(root), list]);
      expect(answer).toMatchObject({ status: 400, body: { code: 'invalid_request' } });
      expect(answer.body.errors[0].path).toBe('x509_crls.1');
    }
    expect((await t.api('GET', BUNDLE)).body).toEqual(before);
  });

  it('may be of an authority below the anchor', async () => {
    const middle = await root.issue({ ca: true });
    expect((await put([await listBy(middle.authority)])).status).toBe(200);
  });
});
