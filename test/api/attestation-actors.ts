import { createHash, KeyObject, randomUUID, webcrypto, type JsonWebKey } from 'node:crypto';
import 'reflect-metadata';
import * as x509 from '@peculiar/x509';
import { exportJWK, generateKeyPair, SignJWT, type JWTPayload } from 'jose';
import { createSigner, httpbis } from 'http-message-signatures';
import type { TestApi } from './setup.ts';

type CryptoKey = webcrypto.CryptoKey;
type CryptoKeyPair = webcrypto.CryptoKeyPair;

export const AUDIENCE = 'http://api.test';

/** An agent that a principal delegated to, with a registered Ed25519 key. */
export interface Actor {
  agent_id: string;
  principal_id: string;
  thumbprint: string;
  privateKey: CryptoKey;
  /** Asks whether this agent may speak for its principal; `failed` is the code of the first check that is not good. */
  verify(attestation: object): Promise<{ verified: boolean; failed?: string; detail?: string; body: Verification }>;
  nonce(): Promise<string>;
  statement(more?: JWTPayload, header?: object, key?: CryptoKey): Promise<string>;
}

interface Verification {
  verified: boolean;
  checks: { code: string; ok: boolean; detail: string }[];
  principal?: object;
}

export async function createActor(t: TestApi, more: object = {}, label?: string): Promise<Actor> {
  const { publicKey, privateKey } = await generateKeyPair('EdDSA', { extractable: true });
  const person = { external_ref: randomUUID(), type: 'person', name: 'Ada' };
  const { principal_id } = (await t.api('POST', '/v1/identities/principals', person)).body;
  const body = { name: 'buyer', principal_id, keys: [{ jwk: await exportJWK(publicKey), label }], ...more };
  const agent = (await t.api('POST', '/v1/agents', body)).body.data;
  const scope = { actions: ['payment.authorize'] };
  const delegation = { principal_id, agent_id: agent.id, scope, ttl_seconds: 3600 };
  const { agent_id } = (await t.api('POST', '/v1/identities/delegations', delegation)).body;
  const actor: Actor = {
    agent_id,
    principal_id,
    thumbprint: agent.keys[0].thumbprint,
    privateKey,
    async verify(attestation) {
      const answer = await t.api('POST', '/v1/identities/verify', { principal_id, agent_id, attestation });
      const body = answer.body as Verification;
      const failed = body.checks.find(({ ok }) => !ok);
      return { verified: body.verified, failed: failed?.code, detail: failed?.detail, body };
    },
    nonce: async () => (await t.api('POST', '/v1/identities/nonces', { agent_id })).body.nonce,
    async statement(claims = {}, header = {}, key = privateKey) {
      const payload = { nonce: await actor.nonce(), aud: AUDIENCE, agent: agent_id, ...claims };
      return new SignJWT(payload).setProtectedHeader({ alg: 'EdDSA', ...header }).sign(key);
    },
  };
  return actor;
}

export interface SignedRequest {
  method: string;
  url: string;
  headers: Record<string, string>;
  body?: string;
}

/** Signs a request by a library that is not ours. */
export async function signRequest(
  { thumbprint, privateKey }: Pick<Actor, 'thumbprint' | 'privateKey'>,
  request: Omit<SignedRequest, 'headers'> & { headers?: Record<string, string> },
  options: { fields?: string[]; params?: Record<string, Date | string | undefined> } = {},
): Promise<SignedRequest> {
  const { body } = request;
  const headers = { ...request.headers };
  if (body !== undefined) {
    headers['Content-Digest'] = `sha-256=:${createHash('sha256').update(body).digest('base64')}:`;
  }
  const fields = options.fields ?? ['@method', '@target-uri', ...(body === undefined ? [] : ['content-digest'])];
  const values = { created: new Date(), keyid: thumbprint, nonce: randomUUID(), alg: 'ed25519', ...options.params };
  const given = Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
  const config = {
    key: createSigner(KeyObject.from(privateKey), 'ed25519', thumbprint),
    fields,
    params: Object.keys(given),
    paramValues: given,
  };
  const signed = await httpbis.signMessage(config, { method: request.method, url: request.url, headers });
  return { ...request, headers: signed.headers };
}

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

export interface Authority {
  certificate: x509.X509Certificate;
  keys: CryptoKeyPair;
  /** A certificate that this authority signs. */
  issue(options?: {
    uri?: string | string[];
    ca?: boolean;
    keys?: CryptoKeyPair;
    notAfter?: Date;
    notBefore?: Date;
    extensions?: x509.Extension[];
  }): Promise<{ certificate: x509.X509Certificate; keys: CryptoKeyPair; authority: Authority }>;
}

export const freshKeys = () => webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);

/** A root of trust with a P-256 key. */
export async function createAuthority(name = 'CN=Root'): Promise<Authority> {
  const keys = await freshKeys();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: '01',
    name,
    keys,
    signingAlgorithm: ALGORITHM,
    extensions: [new x509.BasicConstraintsExtension(true, undefined, true)],
  });
  return authorityOf(certificate, keys);
}

function authorityOf(certificate: x509.X509Certificate, keys: CryptoKeyPair): Authority {
  return {
    certificate,
    keys,
    async issue({ uri = [], ca = false, extensions = [], ...more } = {}) {
      const own = more.keys ?? (await freshKeys());
      const day = 86_400_000;
      const names = [uri].flat().map((value) => ({ type: 'url' as const, value }));
      const issued = await x509.X509CertificateGenerator.create({
        serialNumber: randomUUID().replaceAll('-', ''),
        subject: ca ? 'CN=Intermediate' : 'CN=Agent',
        issuer: certificate.subject,
        publicKey: own.publicKey,
        signingKey: keys.privateKey,
        signingAlgorithm: ALGORITHM,
        notBefore: more.notBefore ?? new Date(Date.now() - day),
        notAfter: more.notAfter ?? new Date(Date.now() + day),
        extensions: [
          new x509.BasicConstraintsExtension(ca, undefined, true),
          ...(names.length > 0 ? [new x509.SubjectAlternativeNameExtension(names)] : []),
          ...extensions,
        ],
      });
      return { certificate: issued, keys: own, authority: authorityOf(issued, own) };
    },
  };
}

export const jwkOf = (key: CryptoKey) => webcrypto.subtle.exportKey('jwk', key) as Promise<JsonWebKey>;
