import { constants, createHash, createHmac, sign } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { auditLeaf } from '../../src/trust/audit-trail.ts';
import { hashesOf, TileWriter } from '../../src/trust/audit-tiles.ts';
import { consistencyRanges, inclusionRanges, type Range } from '../../src/trust/merkle.ts';
import { canonicalCardAsIs } from '../../src/verify/agent-card-form.ts';
import {
  Misuse,
  verifyAgentCard,
  verifyAudit,
  verifyAuditBundle,
  verifyCertificate,
  verifyHttpSignature,
  verifyReceipt,
  verifyVerdict,
  verifyWebhook,
} from '../../src/verify/index.ts';
import * as s from './samples.ts';

const changed = (text: string, from: string | RegExp, to: string) => {
  const after = text.replace(from, to);
  expect(after).not.toBe(text);
  return after;
};

describe('a verdict', () => {
  const key = s.newKey();
  const code = async (claims: object, more: object = {}) =>
    (await verifyVerdict({ ...(await s.verdictSample(key, claims)), ...more })).code;

  it('is valid under its key, whatever the order of its members and its typ', async () => {
    const { valid, claims } = await verifyVerdict(await s.verdictSample(key));
    expect({ valid, claims }).toEqual({ valid: true, claims: s.verdictClaims });
    expect(await code(s.verdictClaims, { issuer: s.verdictClaims.issuer })).toBe('valid');
  });

  it.each([
    ['wrong_issuer', {}, { issuer: 'did:web:other.example' }],
    ['wrong_issuer', { issuer: 'did:web:pay.example.evil#k' }, {}],
    ['payload_mismatch', {}, { expected: { decision: 'deny' } }],
    ['payload_mismatch', {}, { expected: { absent: 1 } }],
    ['expired', { exp: s.NOW }, {}],
    ['expired', { exp: '2026-03-05T09:00:00Z' }, {}],
    ['valid', { exp: s.NOW + 1 }, {}],
    ['malformed', { exp: 'soon' }, {}],
    ['malformed', { decision: 'approved' }, {}],
    ['malformed', { score: 101 }, {}],
    ['malformed', { issuer: undefined }, {}],
    ['jwks_unavailable', {}, { jwks: { keys: [] } }],
    ['jwks_unavailable', {}, { jwks: 'https://pay.example/jwks.json' }],
    ['unknown_kid', {}, { jwks: [s.newKey('EdDSA', 'other').jwk] }],
    ['invalid_signature', {}, { jwks: [s.newKey().jwk] }],
    ['malformed', {}, { jws: 'a.b' }],
    ['malformed', {}, { jws: 42 }],
  ])('%s: %j %j', async (expected, claims, more) => {
    expect(await code({ ...s.verdictClaims, ...claims }, more)).toBe(expected);
  });

  it('is refused without an algorithm, with a shared secret, and with another algorithm than EdDSA', async () => {
    const sample = await s.verdictSample(key);
    const [, payload] = sample.jws.split('.');
    const header = (alg: string) => Buffer.from(JSON.stringify({ alg, kid: key.jwk.kid })).toString('base64url');
    expect((await verifyVerdict({ ...sample, jws: `${header('none')}.${payload}.` })).code).toBe('invalid_signature');
    const mac = createHash('sha256').update('x').digest('base64url');
    expect((await verifyVerdict({ ...sample, jws: `${header('HS256')}.${payload}.${mac}` })).code).toBe(
      'invalid_signature',
    );
    const other = s.newKey('ES256');
    const signed = await s.jws(s.verdictClaims, other);
    expect((await verifyVerdict({ jws: signed, jwks: [other.jwk] })).code).toBe('invalid_signature');
  });

  it('cannot be asked about without its members', async () => {
    await expect(verifyVerdict({ jws: 'x' })).rejects.toThrow(Misuse);
    await expect(verifyVerdict('x')).rejects.toThrow(Misuse);
    await expect(verifyVerdict({ jws: 'x', jwks: {}, now: 'today' })).rejects.toThrow('"now"');
  });
});

describe('a receipt', () => {
  const key = s.newKey('ES256');
  const { payment_id: _, psp_confirmation_id: _p, network_confirmation_id: _n, ...bare } = s.receiptClaims;
  const error = { ...bare, status: 'Error', payment_id: 'pay_1' };

  it.each([
    ['valid', s.receiptClaims, {}],
    ['valid', { ...bare, order_id: 'ord_1' }, {}],
    ['valid', { ...error, error: 'invalid_mandate', error_description: 'no' }, {}],
    ['malformed', error, {}],
    ['malformed', bare, {}],
    ['malformed', { ...s.receiptClaims, status: 'Perhaps' }, {}],
    ['malformed', { ...s.receiptClaims, error: 'both' }, {}],
    ['malformed', { ...s.receiptClaims, iat: '1' }, {}],
    ['wrong_reference', s.receiptClaims, { reference: 'another' }],
    ['wrong_issuer', s.receiptClaims, { issuer: 'https://other.example' }],
    ['payload_mismatch', s.receiptClaims, { expected: { payment_id: 'pay_2' } }],
    ['not_yet_valid', { ...s.receiptClaims, iat: s.NOW + 301 }, {}],
    ['expired', { ...s.receiptClaims, exp: s.NOW - 1 }, {}],
    ['invalid_signature', s.receiptClaims, { jwks: [s.newKey('ES256').jwk] }],
    ['jwks_unavailable', s.receiptClaims, { jwks: [] }],
  ])('%s: %j %j', async (expected, claims, more) => {
    expect((await verifyReceipt({ ...(await s.receiptSample(key, claims)), ...more })).code).toBe(expected);
  });
});

describe('an agent card', () => {
  it.each(['EdDSA', 'ES256', 'RS256'] as const)('signed with %s is valid', async (alg) => {
    const { valid, claims } = await verifyAgentCard(await s.cardSample(s.newKey(alg)));
    expect(valid).toBe(true);
    expect(claims['signatures']).toEqual([{ kid: `key-${alg}`, alg, valid: true, code: 'valid' }]);
  });

  it('is signed without its defaults, but for required and optional members', async () => {
    const key = s.newKey();
    const { card, jwks } = await s.cardSample(key);
    const { tenant: _, ...plain } = s.card.supportedInterfaces[0]!;
    const without = { ...card, supportedInterfaces: [plain] };
    expect((await verifyAgentCard({ card: without, jwks })).code).toBe('valid');
    expect((await verifyAgentCard({ card: { ...card, capabilities: { pushNotifications: true } }, jwks })).code).toBe(
      'invalid_signature',
    );
    const { defaultOutputModes: _d, ...lessRequired } = card;
    expect((await verifyAgentCard({ card: lessRequired, jwks })).code).toBe('invalid_signature');
    const asIs = await s.cardSample(key, {}, canonicalCardAsIs(s.card));
    expect((await verifyAgentCard(asIs)).code).toBe('valid');
  });

  it.each([
    ['unsigned', { signatures: [] }],
    ['unsigned', { signatures: undefined }],
    ['malformed', { signatures: ['x'] }],
    ['malformed', { signatures: [{ protected: 'e30', signature: '' }] }],
    ['malformed', { signatures: Array.from({ length: 17 }, () => ({})) }],
    ['invalid_signature', { name: 'Another agent' }],
    ['invalid_signature', { unknownMember: 1 }],
  ])('%s: %j', async (expected, more) => {
    const { card, jwks } = await s.cardSample();
    expect((await verifyAgentCard({ card: { ...card, ...more }, jwks })).code).toBe(expected);
  });

  it('needs a trusted key, and no signature by a trusted key may fail', async () => {
    const [mine, other] = [s.newKey('EdDSA', 'mine'), s.newKey('ES256', 'other')];
    const [a, b] = [await s.cardSample(mine), await s.cardSample(other)];
    const both = { ...a.card, signatures: [...b.card.signatures, ...a.card.signatures] };
    expect((await verifyAgentCard({ card: both, jwks: a.jwks })).code).toBe('valid');
    expect((await verifyAgentCard({ card: a.card })).code).toBe('jwks_unavailable');
    expect((await verifyAgentCard({ card: a.card, jwks: b.jwks })).code).toBe('unknown_kid');
    const forged = {
      ...a.card,
      signatures: [...a.card.signatures, { ...a.card.signatures[0]!, signature: b.card.signatures[0]!.signature }],
    };
    expect((await verifyAgentCard({ card: forged, jwks: a.jwks })).code).toBe('invalid_signature');
  });
});

describe('a webhook', () => {
  const key = s.newKey();
  const sample = s.webhookSample();
  const v1a = () => {
    const { body, headers } = sample;
    const signature = sign(null, Buffer.from(`evt_1.${s.NOW}.${body}`), key.privateKey).toString('base64');
    return { headers: { ...headers, 'webhook-signature': `v1a,${signature}` }, body, public_key: key.jwk, now: s.NOW };
  };

  it.each([
    ['valid', sample],
    [
      'valid',
      { ...sample, headers: Object.fromEntries(Object.entries(sample.headers).map(([k, v]) => [k.toUpperCase(), v])) },
    ],
    ['valid', { ...sample, now: s.NOW + 300 }],
    ['expired', { ...sample, now: s.NOW + 301 }],
    ['expired', { ...sample, now: s.NOW - 301 }],
    ['valid', { ...sample, now: s.NOW + 900, tolerance: 1000 }],
    ['invalid_signature', { ...sample, body: `${sample.body} ` }],
    ['invalid_signature', { ...sample, secret: 'whsec_AAAA' }],
    ['invalid_signature', { ...sample, headers: { ...sample.headers, 'x-signature': `sha256=${'0'.repeat(64)}` } }],
    ['malformed', { ...sample, headers: { ...sample.headers, 'x-signature': 'sha256=00' } }],
    ['malformed', { ...sample, headers: { ...sample.headers, 'webhook-id': '' } }],
    ['malformed', { ...sample, headers: 'none' }],
    ['unsigned', { ...sample, headers: {} }],
    ['unsigned', { ...sample, secret: undefined, public_key: key.jwk }],
    ['valid', v1a()],
    ['valid', { ...v1a(), public_key: `whpk_${Buffer.from(key.jwk.x!, 'base64url').toString('base64')}` }],
    ['invalid_signature', { ...v1a(), body: '{}' }],
    ['invalid_signature', { ...v1a(), public_key: s.newKey().jwk }],
  ])('%s (case %#)', async (expected, input) => {
    expect((await verifyWebhook(input)).code).toBe(expected);
  });

  it('with the HMAC of the body alone is valid, but of an unknown time', async () => {
    const headers = { 'x-signature': sample.headers['x-signature'] };
    const { valid, detail } = await verifyWebhook({ ...sample, headers, now: s.NOW * 2 });
    expect({ valid, detail }).toEqual({ valid: true, detail: 'signed (x-signature), at an unknown time' });
  });

  it('with a JWS of the body is valid when the payload is the body, and fresh', async () => {
    const body = JSON.stringify({ type: 'assessment.denied', created: s.NOW });
    const headers = { 'x-fidacy-signature': await s.jws(body, key), 'x-fidacy-key-id': key.jwk.kid! };
    const input = { headers, body, public_key: { keys: [key.jwk] }, now: s.NOW };
    expect((await verifyWebhook(input)).code).toBe('valid');
    expect((await verifyWebhook({ ...input, body: `${body} ` })).code).toBe('payload_mismatch');
    expect((await verifyWebhook({ ...input, now: s.NOW + 301 })).code).toBe('expired');
    expect((await verifyWebhook({ ...input, headers: { ...headers, 'x-fidacy-key-id': 'k' } })).code).toBe(
      'unknown_kid',
    );
  });
});

describe('a signed request', () => {
  it('is valid, covers what it covers, and changes are found', async () => {
    const key = s.newKey();
    const sample = await s.requestSample(key);
    const { valid, claims } = await verifyHttpSignature(sample);
    expect({ valid, claims }).toMatchObject({
      valid: true,
      claims: {
        body_covered: true,
        signatures: [{ keyid: key.jwk.kid, covered: ['@method', '@target-uri', 'content-type', 'content-digest'] }],
      },
    });
    const code = async (more: object) => (await verifyHttpSignature({ ...sample, ...more })).code;
    const headers = (more: object) => ({ headers: { ...sample.headers, ...more } });
    expect(await code({ method: 'GET' })).toBe('invalid_signature');
    expect(await code({ url: `${sample.url}2` })).toBe('invalid_signature');
    expect(await code({ body: '{"amount":"99.50"}' })).toBe('digest_mismatch');
    expect(await code({ body: undefined })).toBe('digest_mismatch');
    expect(await code(headers({ 'content-digest': 'md5=:AAAA:' }))).toBe('invalid_signature');
    expect(await code({ now: s.NOW + 301 })).toBe('expired');
    expect(await code({ now: s.NOW - 61 })).toBe('not_yet_valid');
    expect(await code({ now: s.NOW + 100, max_age: 99 })).toBe('expired');
    expect(await code({ required: ['@authority'] })).toBe('not_covered');
    expect(await code({ keys: [s.newKey('EdDSA', 'other').jwk] })).toBe('unknown_kid');
    expect(await code({ keys: [s.newKey().jwk] })).toBe('invalid_signature');
    expect(await code({ headers: {} })).toBe('unsigned');
    expect(await code(headers({ 'Signature-Input': 'sig=' }))).toBe('malformed');
    await expect(code({ keys: 3 })).rejects.toThrow(Misuse);
  });

  it('is refused when one of two signatures fails, whichever comes first', async () => {
    const sample = await s.requestSample();
    const names = Object.keys(sample.headers);
    const [inputName, name] = [
      names.find((n) => n.toLowerCase() === 'signature-input')!,
      names.find((n) => n.toLowerCase() === 'signature')!,
    ];
    const [input, signature] = [sample.headers[inputName]!, sample.headers[name]!];
    const bad = `bad=:${Buffer.alloc(64, 1).toString('base64')}:`;
    const badInput = input.replace(/^sig=/, 'bad=');
    for (const order of [0, 1]) {
      const join = (a: string, b: string) => (order === 0 ? `${a}, ${b}` : `${b}, ${a}`);
      const headers = { ...sample.headers, [inputName]: join(badInput, input), [name]: join(bad, signature) };
      expect((await verifyHttpSignature({ ...sample, headers })).code).toBe('invalid_signature');
    }
  });

  it('is judged by the kind of its key: a secret, an RSA key with or without an alg, never one for another', async () => {
    const secret = { kty: 'oct', kid: 'k', k: Buffer.alloc(32, 7).toString('base64url') };
    const { privateKey, jwk } = s.newKey('RS256', 'k');
    const { alg: _, ...rsa } = jwk;
    const base = (params: string) =>
      `"@method": GET\n"@signature-params": ("@method");created=${s.NOW};keyid="k"${params}`;
    const hmac = (text: string) => createHmac('sha256', Buffer.alloc(32, 7)).update(text).digest();
    const pss = (hash: string) => (text: string) =>
      sign(hash, Buffer.from(text), { key: privateKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 64 });
    const pkcs1 = (text: string) => sign('sha256', Buffer.from(text), privateKey);
    const named = (alg: string) => `;alg="${alg}"`;
    for (const [key, params, make, expected] of [
      [secret, '', hmac, 'valid'],
      [secret, named('hmac-sha256'), hmac, 'valid'],
      [secret, named('hmac-sha256'), () => Buffer.alloc(32), 'invalid_signature'],
      [secret, named('hmac-sha256'), () => Buffer.alloc(3), 'invalid_signature'],
      [{ ...secret, k: undefined }, '', hmac, 'invalid_signature'],
      [secret, named('ed25519'), hmac, 'invalid_signature'],
      [jwk, named('hmac-sha256'), hmac, 'invalid_signature'],
      [rsa, '', pss('sha512'), 'valid'],
      [rsa, '', pkcs1, 'invalid_signature'],
      [rsa, named('rsa-v1_5-sha256'), pkcs1, 'valid'],
      [rsa, named('rsa-pss-sha256'), pss('sha256'), 'valid'],
      [{ ...rsa, alg: 'RS256' }, '', pkcs1, 'valid'],
      [{ ...rsa, alg: 'RS256' }, named('rsa-pss-sha512'), pss('sha512'), 'invalid_signature'],
      [{ ...rsa, alg: 'PS512' }, named('rsa-v1_5-sha256'), pkcs1, 'invalid_signature'],
    ] as const) {
      const input = base(params).split('"@signature-params": ')[1]!;
      const headers = { 'signature-input': `a=${input}`, signature: `a=:${make(base(params)).toString('base64')}:` };
      const asked = { method: 'GET', url: 'https://pay.example/', headers, keys: [key], now: s.NOW };
      const { code } = await verifyHttpSignature(asked);
      expect({ key, params, code }).toEqual({ key, params, code: expected });
      expect((await verifyHttpSignature({ ...asked, method: 'PUT' })).valid).toBe(false);
    }
  });

  it('may be spelled as the samples of the Trusted Agent Protocol spell it, and has one text only', async () => {
    const key = s.newKey();
    const params = `("@authority" "@path"); created=${s.NOW}; keyId="${key.jwk.kid}"; tag="agent-payer-auth"`;
    const base = `"@authority": pay.example\n"@path": /buy\n"@signature-params": ${params}`;
    const bytes = sign(null, Buffer.from(base), key.privateKey).toString('base64');
    const code = async (signature: string, url = 'https://pay.example/buy') => {
      const headers = { 'Signature-Input': `sig2=${params}`, Signature: `sig2=:${signature}:` };
      return (await verifyHttpSignature({ method: 'GET', url, headers, keys: [key.jwk], now: s.NOW })).code;
    };
    expect(await code(bytes)).toBe('valid');
    expect(await code(bytes, 'https://pay.example/sell')).toBe('invalid_signature');
    expect(await code(bytes, 'ftp://pay.example/buy')).toBe('malformed');
    // 64 bytes leave four bits of the last character unused.
    const other = { A: 'B', Q: 'R', g: 'h', w: 'x' }[bytes[85]!]!;
    expect(Buffer.from(`${bytes.slice(0, 85)}${other}==`, 'base64').toString('base64')).toBe(bytes);
    expect(await code(`${bytes.slice(0, 85)}${other}==`)).toBe('malformed');
  });
});

describe('a certificate', () => {
  it.each(['Ed25519', 'P-256', 'RSA'] as const)('of %s is valid up to its root', async (algorithm) => {
    const { input, leaf } = await s.certificateSample(algorithm);
    const { code, claims } = await verifyCertificate(input);
    expect({ code, claims }).toMatchObject({
      code: 'valid',
      claims: { revocation: 'good', serial: leaf.certificate.serialNumber },
    });
    const { crl_pem: _, ...without } = input;
    expect((await verifyCertificate(without)).claims).toMatchObject({ revocation: 'not_checked' });
  });

  it('is refused when anything of its chain does not hold', async () => {
    const { root, middle, leaf, input } = await s.certificateSample();
    const code = async (more: object) => (await verifyCertificate({ ...input, ...more })).code;
    const day = 86_400;
    expect(await code({ chain_pem: s.pem(root) })).toBe('untrusted');
    expect(await code({ chain_pem: s.pem(middle) })).toBe('untrusted');
    expect(await code({ certificate_pem: s.pem(root), chain_pem: s.pem(root) })).toBe('untrusted');
    expect(await code({ chain_pem: s.pem(root, await s.certificate('Agents', { ca: true, issuer: root })) })).toBe(
      'invalid_signature',
    );
    expect(await code({ chain_pem: s.pem(middle, await s.certificate('Root', { ca: true })) })).toBe(
      'invalid_signature',
    );
    expect(await code({ now: s.NOW + 31 * day })).toBe('expired');
    expect(await code({ now: s.NOW - 2 * day })).toBe('not_yet_valid');
    const below = await s.certificate('agt_2', { issuer: leaf });
    expect(await code({ certificate_pem: s.pem(below), chain_pem: s.pem(leaf, middle, root) })).toBe('not_a_ca');
    const third = await s.certificate('Third', { ca: true, issuer: middle });
    const deep = await s.certificate('agt_3', { issuer: third });
    expect(await code({ certificate_pem: s.pem(deep), chain_pem: s.pem(third, middle, root) })).toBe('path_too_long');
    const noSign = await s.certificate('Agents', { ca: true, issuer: root, usages: s.KeyUsageFlags.cRLSign });
    const under = await s.certificate('agt_4', { issuer: noSign });
    expect(await code({ certificate_pem: s.pem(under), chain_pem: s.pem(noSign, root) })).toBe('not_a_ca');
    const odd = await s.certificate('agt_5', {
      issuer: middle,
      extensions: [new s.Extension('1.2.3.4', true, new Uint8Array([5, 0])) as never],
    });
    expect(await code({ certificate_pem: s.pem(odd) })).toBe('unhandled_extension');
    expect(await code({ certificate_pem: 'nothing' })).toBe('malformed');
    expect(await code({ chain_pem: 7 })).toBe('malformed');
  });

  it('is read with blank lines in its PEM, and refused when its serial number is not positive', async () => {
    const { middle, leaf, input } = await s.certificateSample();
    const spaced = input.chain_pem.replaceAll('-----END', '\n-----END');
    expect((await verifyCertificate({ ...input, chain_pem: spaced })).code).toBe('valid');
    const code = async (serial: number[]) =>
      (await verifyCertificate({ ...input, certificate_pem: await s.numbered(leaf, middle, serial) })).code;
    // As a list would name them, these are two numbers; as the parser prints them, one.
    expect(await code([0x00, 0xff])).toBe('valid');
    expect(await code([0xff])).toBe('malformed');
    expect(await code([0x00])).toBe('malformed');
  });

  it('is refused when its revocation list says so, or says nothing usable', async () => {
    const { root, middle, leaf, input } = await s.certificateSample();
    const code = async (crl_pem: string, more: object = {}) =>
      (await verifyCertificate({ ...input, crl_pem, ...more })).code;
    const revoked = await verifyCertificate({
      ...input,
      crl_pem: await s.crl(middle, [leaf.certificate.serialNumber]),
    });
    expect(revoked).toMatchObject({ code: 'revoked', claims: { revocation: 'revoked', reason: 'keyCompromise' } });
    expect(await code(await s.crl(middle, ['77']))).toBe('valid');
    expect(await code(await s.crl(root))).toBe('crl_unusable');
    expect(await code((await s.crl(root, [middle.certificate.serialNumber])) + (await s.crl(middle)))).toBe('revoked');
    const impostor = { ...middle, keys: (await s.certificate('x')).keys };
    expect(await code(await s.crl(impostor))).toBe('crl_unusable');
    const old = new Date((s.NOW - 100) * 1000);
    expect(await code(await s.crl(middle, [], { to: old }))).toBe('crl_expired');
    expect(await code(await s.crl(middle, [], { from: new Date((s.NOW + 100) * 1000) }))).toBe('crl_unusable');
    expect(await code('nothing')).toBe('malformed');
  });
});

describe('audit entries', () => {
  const key = s.newKey();
  const entries = s.trail(300);
  const note = (size: number) => s.checkpointOf(entries.slice(0, size), key);
  function proofs(size: number) {
    const tree = TileWriter.open(0, [])!;
    for (const entry of entries.slice(0, size)) tree.append(auditLeaf(entry.entry_hash));
    const path = (ranges: Range[]) => hashesOf(ranges, tree.changed()).map((hash) => hash.toString('base64'));
    return {
      inclusion: (sequence: number) => ({ inclusion: { sequence, hashes: path(inclusionRanges(sequence - 1, size)) } }),
      consistency: (from: number) => ({
        consistency: { from_size: from, hashes: path(consistencyRanges(from, size)) },
      }),
    };
  }
  const base = { entries, checkpoint: note(298), public_key: key.jwk };
  const ask = async (more: object) => {
    const { code, claims } = await verifyAudit({ ...base, ...more });
    return [code, claims['anchored'], claims['pending']];
  };

  it('from the first on are compared with their checkpoint', async () => {
    expect(await ask({})).toEqual(['valid', 298, 2]);
    expect(await ask({ entries: entries.slice(0, 298) })).toEqual(['valid', 298, 0]);
    expect((await ask({ entries: entries.slice(0, 297) }))[0]).toBe('not_covered');
    expect((await ask({ checkpoint: s.checkpointOf(s.trail(298, 2), key) }))[0]).toBe('wrong_tree');
    expect((await ask({ public_key: s.newKey().jwk }))[0]).toBe('unknown_key');
    expect((await ask({ public_key: undefined }))[0]).toBe('key_missing');
    expect((await ask({ checkpoint: undefined }))[0]).toBe('not_covered');
    expect((await ask({ checkpoint: undefined, public_key: undefined }))[0]).toBe('valid');
    expect((await ask({ checkpoint: changed(base.checkpoint, '/live', '/test') }))[0]).toBe('unknown_key');
    const elsewhere = s.checkpointOf(entries.slice(0, 298), key, { org: 'org_other' });
    expect((await ask({ checkpoint: elsewhere }))[0]).toBe('wrong_tree');
  });

  it('from the middle are tied to it by proofs', async () => {
    const { inclusion } = proofs(298);
    const some = entries.slice(100, 103);
    expect(await ask({ entries: some, proofs: some.map(({ sequence }) => inclusion(sequence)) })).toEqual([
      'valid',
      3,
      0,
    ]);
    expect((await ask({ entries: some }))[0]).toBe('not_covered');
    expect((await ask({ entries: some, proofs: [inclusion(101), inclusion(102)] }))[0]).toBe('not_covered');
    expect(
      (await ask({ entries: some, proofs: [{ inclusion: { ...inclusion(101).inclusion, sequence: 102 } }] }))[0],
    ).toBe('invalid_proof');
    expect((await ask({ entries: some, proofs: [inclusion(99)] }))[0]).toBe('invalid_proof');
  });

  it('are held against a checkpoint that was kept', async () => {
    const { consistency } = proofs(298);
    const grown = (from: number, more: object = {}) =>
      ask({ earlier_checkpoint: note(from), proofs: [consistency(from)], ...more });
    expect((await grown(5))[0]).toBe('valid');
    expect((await grown(298, { proofs: [] }))[0]).toBe('valid');
    expect((await grown(5, { proofs: [consistency(6)] }))[0]).toBe('invalid_proof');
    expect((await grown(5, { proofs: [] }))[0]).toBe('invalid_proof');
    const rewritten = s.checkpointOf(s.trail(5, 2), key);
    expect((await grown(5, { earlier_checkpoint: rewritten }))[0]).toBe('invalid_proof');
  });

  it.each([
    ['edited', (e: typeof entries) => e.map((x, i) => (i === 40 ? { ...x, actor: 'nobody' } : x)), 41],
    ['left out', (e: typeof entries) => e.filter((_, i) => i !== 40), 41],
    ['exchanged', (e: typeof entries) => [...e.slice(0, 40), e[41]!, e[40]!, ...e.slice(42)], 41],
    ['doubled', (e: typeof entries) => [...e.slice(0, 41), ...e.slice(40)], 42],
    ['of another organization', (e: typeof entries) => e.map((x, i) => (i === 40 ? { ...x, org: 'org_x' } : x)), 41],
  ])('that were %s are found', async (_, spoil, sequence) => {
    const { code, claims } = await verifyAudit({ ...base, entries: spoil(entries) });
    expect({ code, claims }).toMatchObject({ code: 'broken', claims: { first_break: { sequence } } });
  });

  describe('as an export', () => {
    const header = {
      format: 'prokura-audit/1',
      org: entries[0]!.org,
      mode: 'live',
      size: 300,
      head: entries[299]!.entry_hash,
      public_key: key.jwk,
    };
    const lines = (spoil: (all: object[]) => object[] = (all) => all, more: object = {}) =>
      spoil([
        { ...header, ...more },
        ...entries.flatMap((entry) => [
          { entry },
          ...(entry.sequence === 100 || entry.sequence === 298 ? [{ checkpoint: note(entry.sequence) }] : []),
        ]),
      ]).map((line) => JSON.stringify(line));
    const publicKeys = [Buffer.from(s.newKey().jwk.x!, 'base64url'), Buffer.from(key.jwk.x!, 'base64url')];

    it('is valid under the given key, and says when the key is its own', async () => {
      const given = await verifyAuditBundle(lines(), { publicKeys });
      expect(given).toMatchObject({
        code: 'valid',
        claims: { entries: 300, anchored: 298, pending: 2, key_given: true },
      });
      const own = await verifyAuditBundle(lines());
      expect(own).toMatchObject({
        code: 'valid',
        claims: { key_given: false },
        detail: expect.stringContaining("bundle's own"),
      });
    });

    it('is an extension of a checkpoint that was kept, or is not', async () => {
      const with_ = async (earlierCheckpoint: string) =>
        (await verifyAuditBundle(lines(), { publicKeys, earlierCheckpoint })).code;
      expect(await with_(note(57))).toBe('valid');
      expect(await with_(s.checkpointOf(s.trail(57, 2), key))).toBe('wrong_tree');
      expect(await with_(s.checkpointOf(s.trail(301), key))).toBe('incomplete');
      expect(await with_('nothing')).toBe('malformed');
    });

    it.each([
      ['broken', (all: object[]) => all.filter((_, i) => i !== 50)],
      ['broken', (all: object[]) => all.map((x, i) => (i === 50 ? { entry: { ...entries[49]!, body: {} } } : x))],
      ['incomplete', (all: object[]) => all.slice(0, -1)],
      ['wrong_tree', (all: object[]) => all.map((x) => ('checkpoint' in x ? { checkpoint: note(99) } : x))],
      ['malformed', (all: object[]) => [...all, {}]],
      ['malformed', (all: object[]) => all.slice(1)],
      ['not_covered', (all: object[]) => all.filter((x) => !('checkpoint' in x))],
    ])('%s (case %#)', async (code, spoil) => {
      expect((await verifyAuditBundle(lines(spoil), { publicKeys })).code).toBe(code);
    });

    it('is refused under another key, when its newest checkpoint is by one, and with a wrong signature', async () => {
      const other = s.newKey();
      const otherKey = Buffer.from(other.jwk.x!, 'base64url');
      expect((await verifyAuditBundle(lines(), { publicKeys: [otherKey] })).code).toBe('unknown_key');
      const mixed = lines((all) =>
        all.map((x, i) =>
          'checkpoint' in x && i > 200 ? { checkpoint: s.checkpointOf(entries.slice(0, 298), other) } : x,
        ),
      );
      expect((await verifyAuditBundle(mixed, { publicKeys })).code).toBe('unknown_key');
      expect((await verifyAuditBundle(mixed, { publicKeys: [otherKey] })).code).toBe('valid');
    });
  });
});
