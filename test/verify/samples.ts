// oxlint-disable-next-line import/no-unassigned-import -- the library builds its parsers on it
import 'reflect-metadata';
import { createHash, createHmac, generateKeyPairSync, sign, type KeyObject, type webcrypto } from 'node:crypto';
import { AsnConvert } from '@peculiar/asn1-schema';
import { Certificate } from '@peculiar/asn1-x509';
import {
  BasicConstraintsExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  X509CertificateGenerator,
  X509CrlGenerator,
  X509CrlReason,
  X509Certificate,
} from '@peculiar/x509';
import { createSigner as createHttpSigner, httpbis } from 'http-message-signatures';
import { calculateJwkThumbprint, CompactSign, FlattenedSign, type JWK } from 'jose';
import { toTypeId } from '../../src/domain/ids.ts';
import { entryHash } from '../../src/trust/audit-entry.ts';
import { auditLeaf, GENESIS, type TrailEntry } from '../../src/trust/audit-trail.ts';
import { hashesOf, TileWriter } from '../../src/trust/audit-tiles.ts';
import { checkpointBody, noteOf } from '../../src/trust/checkpoint.ts';
import { GrowingTree, inclusionRanges } from '../../src/trust/merkle.ts';
import { newId } from '../../src/trust/new-id.ts';
import { canonicalCard } from '../../src/verify/agent-card-form.ts';

export { Extension, KeyUsageFlags } from '@peculiar/x509';

/** Moment of every sample, epoch seconds: 2026-03-05T10:00:00Z. */
export const NOW = 1_772_704_800;

export interface Key {
  alg: string;
  privateKey: KeyObject;
  /** Public half. */
  jwk: JWK;
}

export function newKey(alg: 'EdDSA' | 'ES256' | 'RS256' = 'EdDSA', kid = `key-${alg}`): Key {
  const { privateKey, publicKey } =
    alg === 'EdDSA'
      ? generateKeyPairSync('ed25519')
      : alg === 'ES256'
        ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
        : generateKeyPairSync('rsa', { modulusLength: 2048 });
  return { alg, privateKey, jwk: { ...(publicKey.export({ format: 'jwk' }) as JWK), kid, alg } };
}

export const jws = (payload: unknown, { alg, privateKey, jwk }: Key, header: object = {}): Promise<string> =>
  new CompactSign(Buffer.from(typeof payload === 'string' ? payload : JSON.stringify(payload)))
    .setProtectedHeader({ alg, kid: jwk.kid!, ...header })
    .sign(privateKey);

export const verdictClaims = {
  issuer: 'did:web:pay.example#key-EdDSA',
  subject: 'exec_01kk0000000000000000000000',
  decision: 'approve',
  score: 12,
  model_version: 'risk-1',
  assessed_at: '2026-03-05T09:59:58.000Z',
};

export async function verdictSample(key = newKey(), claims: object = verdictClaims) {
  return {
    jws: await jws(claims, key, { typ: 'application/vc+jws' }),
    jwks: { keys: [key.jwk] },
    now: NOW,
    issuer: 'did:web:pay.example',
    expected: { decision: 'approve', subject: verdictClaims.subject },
  };
}

export const receiptClaims = {
  status: 'Success',
  iss: 'https://pay.example',
  iat: NOW - 10,
  reference: 'RdOBPd8nOAeI3EpDEw6LUhkpk6xJ2vH8Lzvt6Dq7bOE',
  payment_id: 'pay_01kk0000000000000000000000',
  psp_confirmation_id: 'psp-1',
  network_confirmation_id: 'net-1',
};

export async function receiptSample(key = newKey('ES256'), claims: object = receiptClaims) {
  return {
    jwt: await jws(claims, key, { typ: 'JWT' }),
    jwks: { keys: [key.jwk] },
    now: NOW,
    reference: receiptClaims.reference,
  };
}

export const card = {
  name: 'Travel agent',
  description: 'Books rooms',
  version: '1.0.0',
  supportedInterfaces: [
    { url: 'https://agent.example/a2a', protocolBinding: 'JSONRPC', protocolVersion: '1.0', tenant: '' },
  ],
  capabilities: { streaming: false, pushNotifications: true, extensions: [] },
  defaultInputModes: ['text/plain'],
  defaultOutputModes: [],
  skills: [{ id: 'book', name: 'Book', description: '', tags: ['travel'], examples: [] }],
  securityRequirements: [],
};

export async function cardSample(key = newKey(), more: object = {}, payload = canonicalCard({ ...card, ...more })) {
  const { protected: header, signature } = await new FlattenedSign(Buffer.from(payload))
    .setProtectedHeader({ alg: key.alg, kid: key.jwk.kid!, typ: 'JOSE' })
    .sign(key.privateKey);
  return { card: { ...card, ...more, signatures: [{ protected: header, signature }] }, jwks: { keys: [key.jwk] } };
}

const ORG = toTypeId('org', '01980c2e-7d4a-7c3e-9f21-5b8a4d6e7f10');

/** @param first number of the first amount: trails with different ones differ from their first entry on */
export function trail(count: number, first = 1, org = ORG, about: (seq: number) => object = () => ({})): TrailEntry[] {
  const entries: TrailEntry[] = [];
  for (let seq = 1; seq <= count; seq++) {
    const entry = {
      org,
      at: new Date((NOW + seq) * 1000).toISOString(),
      type: 'payment.captured',
      actor: 'api_key:key_1',
      subject: `pay_${seq}`,
      body: { amount_minor: (first + seq) * 100, note: 'naïve ☂' },
      prev_hash: entries.at(-1)?.entry_hash ?? GENESIS,
      ...about(seq),
    };
    const { org: _, ...rest } = entry;
    entries.push({
      entry_id: toTypeId('ae', newId()),
      sequence: seq,
      org,
      ...rest,
      entry_hash: entryHash({ ...entry, seq }),
    });
  }
  return entries;
}

export function checkpointOf(entries: TrailEntry[], key: Key, { org = ORG, mode = 'live' } = {}): string {
  const tree = new GrowingTree();
  for (const entry of entries) tree.append(auditLeaf(entry.entry_hash));
  const origin = `pay.example/audit/${org}/${mode}`;
  const body = checkpointBody({ origin, size: BigInt(entries.length), root: tree.root() });
  const signature = sign(null, Buffer.from(body), key.privateKey).toString('base64url');
  return noteOf(origin, body, { jwk: key.jwk, signature });
}

export function auditSample(key = newKey(), count = 7) {
  const entries = trail(count);
  return { entries, checkpoint: checkpointOf(entries.slice(0, count - 2), key), public_key: key.jwk };
}

/** Four approvals, the last of them younger than the checkpoint, and an effect that nobody approved. */
export async function coverageSample(key = newKey()) {
  const kid = await calculateJwkThumbprint(key.jwk);
  const signing = { ...key, jwk: { ...key.jwk, kid } };
  const refs = Array.from({ length: 4 }, () => toTypeId('exec', newId()));
  const decision = (seq: number) => ({
    type: 'execution.decision',
    subject: refs[seq - 1],
    body: { decision: 'approved' },
  });
  const entries = trail(4, 1, ORG, decision);
  const anchored = entries.slice(0, 3);
  const tree = TileWriter.open(0, [])!;
  for (const entry of anchored) tree.append(auditLeaf(entry.entry_hash));
  const hashes = ({ sequence }: TrailEntry) =>
    hashesOf(inclusionRanges(sequence - 1, 3), tree.changed()).map((hash) => hash.toString('base64'));
  const classes = ['matched', 'one_sided', 'verdict_without_effect', 'matched'];
  const items = await Promise.all(
    entries.map(async (entry, i) => ({
      class: classes[i],
      execution_ref: refs[i],
      amount_minor: 120_00,
      verdict_jws: await jws({ ...verdictClaims, subject: refs[i], org: ORG }, signing),
      entry,
      proof: i < 3 ? { hashes: hashes(entry) } : null,
    })),
  );
  const alone = { class: 'effect_without_verdict', execution_ref: null, verdict_jws: null, entry: null, proof: null };
  const totals = { matched: 2, effect_without_verdict: 1, verdict_without_effect: 1, one_sided: 1 };
  const head = {
    format: 'prokura-coverage/1',
    org: ORG,
    mode: 'live',
    checkpoint: checkpointOf(anchored, signing),
    public_key: { keys: [signing.jwk] },
  };
  return { lines: [head, ...items, alone, { end: { items: 5, totals } }] as object[], public_key: signing.jwk };
}

export function webhookSample(secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw') {
  const body = '{"type":"payment.captured","id":"evt_1","data":{"amount":120}}';
  const mac = (text: string) => createHmac('sha256', Buffer.from(secret.slice(6), 'base64')).update(text);
  return {
    headers: {
      'webhook-id': 'evt_1',
      'webhook-timestamp': String(NOW),
      'webhook-signature': `v1,${mac(`evt_1.${NOW}.${body}`).digest('base64')}`,
      'x-signature': `sha256=${mac(body).digest('hex')}`,
    },
    body,
    secret,
    now: NOW + 20,
  };
}

export async function requestSample(key = newKey()) {
  const body = '{"amount":"12.50"}';
  const message = {
    method: 'POST',
    url: 'https://pay.example/v1/payments/authorize?x=1',
    headers: {
      'content-type': 'application/json',
      'content-digest': `sha-256=:${createHash('sha256').update(body).digest('base64')}:`,
    },
  };
  const signed = await httpbis.signMessage(
    {
      key: createHttpSigner(key.privateKey.export({ type: 'pkcs8', format: 'pem' }), 'ed25519', key.jwk.kid),
      fields: ['@method', '@target-uri', 'content-type', 'content-digest'],
      paramValues: { created: new Date(NOW * 1000), expires: new Date((NOW + 300) * 1000) },
    },
    message,
  );
  return {
    ...signed,
    headers: { ...signed.headers } as Record<string, string>,
    body,
    keys: { keys: [key.jwk] },
    now: NOW + 5,
    required: ['@method', 'content-digest'],
  };
}

const DAY_MS = 86_400_000;
const at = (days: number) => new Date(NOW * 1000 + days * DAY_MS);

export interface Authority {
  keys: webcrypto.CryptoKeyPair;
  certificate: X509Certificate;
}

type Algorithm = 'Ed25519' | 'P-256' | 'RSA';
const GENERATE = {
  Ed25519: { name: 'Ed25519' },
  'P-256': { name: 'ECDSA', namedCurve: 'P-256' },
  RSA: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]) },
} as const;
const SIGN = { Ed25519: { name: 'Ed25519' }, 'P-256': { name: 'ECDSA', hash: 'SHA-256' }, RSA: GENERATE.RSA } as const;

interface CertificateOptions {
  issuer?: Authority;
  ca?: boolean;
  pathLength?: number;
  usages?: KeyUsageFlags;
  from?: Date;
  to?: Date;
  algorithm?: Algorithm;
  extensions?: BasicConstraintsExtension[];
}

let serial = 0;
export async function certificate(subject: string, options: CertificateOptions = {}): Promise<Authority> {
  const { issuer, ca = false, pathLength, from = at(-1), to = at(30), algorithm = 'Ed25519' } = options;
  const { keyCertSign, cRLSign, digitalSignature } = KeyUsageFlags;
  // oxlint-disable-next-line typescript/no-unsafe-enum-assignment -- flags are joined by bits, which makes a number
  const usual = (ca ? keyCertSign | cRLSign : digitalSignature) as KeyUsageFlags;
  const usages = options.usages ?? usual;
  const keys = (await crypto.subtle.generateKey(GENERATE[algorithm], true, [
    'sign',
    'verify',
  ])) as webcrypto.CryptoKeyPair;
  const issued = await X509CertificateGenerator.create({
    serialNumber: (0x10_00 + ++serial).toString(16),
    subject: `CN=${subject}`,
    issuer: issuer?.certificate.subject ?? `CN=${subject}`,
    notBefore: from,
    notAfter: to,
    publicKey: keys.publicKey,
    signingKey: (issuer?.keys ?? keys).privateKey,
    signingAlgorithm: SIGN[issuer ? algorithmOf(issuer) : algorithm],
    extensions: [
      new BasicConstraintsExtension(ca, pathLength, true),
      new KeyUsagesExtension(usages, true),
      ...(options.extensions ?? []),
    ],
  });
  return { keys, certificate: issued };
}

function algorithmOf({ keys }: Authority): Algorithm {
  const { name } = keys.privateKey.algorithm;
  return name === 'Ed25519' ? 'Ed25519' : name === 'ECDSA' ? 'P-256' : 'RSA';
}

export async function crl(
  issuer: Authority,
  revoked: string[] = [],
  { from = at(-1), to = at(1) } = {},
): Promise<string> {
  const list = await X509CrlGenerator.create({
    issuer: issuer.certificate.subject,
    thisUpdate: from,
    nextUpdate: to,
    entries: revoked.map((serialNumber) => ({
      serialNumber,
      revocationDate: at(-0.5),
      reason: X509CrlReason.keyCompromise,
    })),
    signingAlgorithm: SIGN[algorithmOf(issuer)],
    signingKey: issuer.keys.privateKey,
  });
  const base64 = Buffer.from(list.rawData)
    .toString('base64')
    .match(/.{1,64}/g)!
    .join('\n');
  return `-----BEGIN X509 CRL-----\n${base64}\n-----END X509 CRL-----\n`;
}

export const pem = (...authorities: Authority[]) =>
  authorities.map((one) => `${one.certificate.toString('pem')}\n`).join('');

/** The certificate under another serial number, as the octets of its INTEGER; the issuer has an Ed25519 key. */
export async function numbered({ certificate: of }: Authority, issuer: Authority, serial: number[]): Promise<string> {
  const whole = AsnConvert.parse(of.rawData, Certificate);
  whole.tbsCertificate.serialNumber = new Uint8Array(serial).buffer;
  delete whole.tbsCertificateRaw;
  const tbs = AsnConvert.serialize(whole.tbsCertificate);
  whole.signatureValue = await crypto.subtle.sign('Ed25519', issuer.keys.privateKey, tbs);
  return `${new X509Certificate(AsnConvert.serialize(whole)).toString('pem')}\n`;
}

export async function certificateSample(algorithm: Algorithm = 'Ed25519') {
  const root = await certificate('Root', { ca: true, algorithm });
  const middle = await certificate('Agents', { ca: true, pathLength: 0, issuer: root, algorithm });
  const leaf = await certificate('agt_1', { issuer: middle, algorithm });
  return {
    root,
    middle,
    leaf,
    input: { certificate_pem: pem(leaf), chain_pem: pem(middle, root), crl_pem: await crl(middle), now: NOW },
  };
}
