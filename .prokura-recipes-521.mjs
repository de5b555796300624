import 'reflect-metadata';
import { createHash, createPrivateKey, randomUUID, webcrypto } from 'node:crypto';
import { exportJWK, exportPKCS8, generateKeyPair, SignJWT } from 'jose';
import { createSigner, httpbis } from 'http-message-signatures';
import * as x509 from '@peculiar/x509';

const { API, KEY } = process.env;
async function call(method, path, body, headers = {}) {
  const common = { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' };
  const once = { 'idempotency-key': randomUUID() };
  const answer = await fetch(API + path, {
    method,
    headers: { ...common, ...once, ...headers },
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(await answer.text());
  return answer.json();
}

const { publicKey, privateKey } = await generateKeyPair('EdDSA', { extractable: true });
const person = { external_ref: randomUUID(), type: 'person', name: 'Ada Byron' };
const { principal_id } = await call('POST', '/v1/identities/principals', person);
const spiffe_id = `spiffe://acme.example/agents/${randomUUID()}`;
const keys = [{ jwk: await exportJWK(publicKey) }];
const agent = (await call('POST', '/v1/agents', { name: 'buyer', principal_id, keys, spiffe_id })).data;
const [{ thumbprint }] = agent.keys;
const scope = { actions: ['payment.authorize'] };
const delegation = { principal_id, agent_id: agent.id, scope, ttl_seconds: 3600 };
const { agent_id } = await call('POST', '/v1/identities/delegations', delegation);
const show = async (attestation) => {
  const { verified } = await call('POST', '/v1/identities/verify', { principal_id, agent_id, attestation });
  console.log(attestation.type, verified);
};

const { nonce, audience } = await call('POST', '/v1/identities/nonces', { agent_id });
const statement = new SignJWT({ nonce, aud: audience, agent: agent_id });
const jws = await statement.setProtectedHeader({ alg: 'EdDSA', kid: thumbprint }).sign(privateKey);
await show({ type: 'signed-nonce', jws });

const claims = new SignJWT({ sub: agent_id, aud: audience }).setExpirationTime('2m');
const token = await claims.setProtectedHeader({ alg: 'EdDSA', kid: thumbprint }).sign(privateKey);
await show({ type: 'jwt', token });

const signer = createSigner(createPrivateKey(await exportPKCS8(privateKey)), 'ed25519', thumbprint);
const sign = (request, fields, more) =>
  httpbis.signMessage(
    {
      key: signer,
      fields,
      params: ['created', 'expires', 'keyid', 'alg', 'nonce', 'tag'],
      paramValues: { nonce: randomUUID(), ...more },
    },
    request,
  );
const checkout = { method: 'GET', url: 'https://shop.example/checkout', headers: {} };
const expires = new Date(Date.now() + 480_000);
const { headers } = await sign(checkout, ['@authority', '@path'], { tag: 'agent-payer-auth', expires });
await show({ type: 'http-signature', ...checkout, headers });

const ecdsa = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const authority = await webcrypto.subtle.generateKey(ecdsa, true, ['sign', 'verify']);
const root = await x509.X509CertificateGenerator.createSelfSigned({
  name: 'CN=Acme agents',
  keys: authority,
  signingAlgorithm: ecdsa,
  extensions: [new x509.BasicConstraintsExtension(true, undefined, true)],
});
await call('PUT', '/v1/identities/trust-bundles/acme.example', {
  jwks: { keys: [{ ...(await exportJWK(authority.publicKey)), kid: 'authority-1', use: 'jwt-svid' }] },
  x509_anchors: [root.toString('pem')],
});

const svid = new SignJWT({ sub: spiffe_id, aud: [audience] }).setExpirationTime('2m');
const svidToken = await svid.setProtectedHeader({ alg: 'ES256', kid: 'authority-1' }).sign(authority.privateKey);
await show({ type: 'jwt-svid', token: svidToken });

const own = await webcrypto.subtle.generateKey(ecdsa, true, ['sign', 'verify']);
const leaf = await x509.X509CertificateGenerator.create({
  subject: 'CN=buyer',
  issuer: root.subject,
  publicKey: own.publicKey,
  signingKey: authority.privateKey,
  signingAlgorithm: ecdsa,
  extensions: [new x509.SubjectAlternativeNameExtension([{ type: 'url', value: `urn:prokura:agent:${agent.id}` }])],
});
const second = (await call('POST', '/v1/identities/nonces', { agent_id })).nonce;
const possession = new SignJWT({ nonce: second, aud: audience, agent: agent_id });
const proof = await possession.setProtectedHeader({ alg: 'ES256' }).sign(own.privateKey);
await show({ type: 'x509', chain: leaf.toString('pem'), jws: proof });

const body = JSON.stringify({ agent_id });
const digest = `sha-256=:${createHash('sha256').update(body).digest('base64')}:`;
const request = { method: 'POST', url: `${audience}/v1/identities/nonces`, headers: { 'Content-Digest': digest } };
const signed = await sign(request, ['@method', '@target-uri', 'content-digest']);
const third = await call('POST', '/v1/identities/nonces', { agent_id }, signed.headers);
console.log('signed request', third.agent_id === agent_id);
