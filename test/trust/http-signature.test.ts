import { createHash, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import * as fc from 'fast-check';
import { createSigner, httpbis } from 'http-message-signatures';
import { beforeAll, describe, expect, it } from 'vitest';
import { isRequestUrl, type HttpMessage } from '../../src/trust/http-signature/base.ts';
import { acceptedUntil, judgeSignature, type Rules } from '../../src/trust/http-signature/judge.ts';
import { HttpSignatureRefused, parseSignatures } from '../../src/trust/http-signature/parse.ts';
import { signatureAgents } from '../../src/trust/http-signature/signature-agent.ts';
import { readJwk, type PublicKey } from '../../src/trust/public-key.ts';

const NOW = new Date('2026-03-05T22:00:00Z');
const seconds = NOW.getTime() / 1000;
const RULES: Rules = { now: NOW, cover: [['@method', '@target-uri']], maxAgeSeconds: 300, coverBody: true };
const body = Buffer.from('{"amount":12}');
const digest = (algorithm: string, bytes: Buffer = body) =>
  `${algorithm}=:${createHash(algorithm.replace('-', '')).update(bytes).digest('base64')}:`;

const request = {
  method: 'POST',
  url: 'https://api.test/v1/execution/authorize?dry=1&q=a%20b',
  headers: {
    Host: 'api.test',
    'Content-Type': 'application/json',
    'Content-Digest': digest('sha-256'),
    'X-Many': ['one', 'two'],
    'Signature-Agent': 'main="https://agent.example"',
  } as Record<string, string | string[]>,
};

const ed25519 = generateKeyPairSync('ed25519');
let key: PublicKey;
beforeAll(async () => {
  key = await readJwk(ed25519.publicKey.export({ format: 'jwk' }));
});

/** Signs by a library that is not ours. */
async function signed(
  fields: string[],
  params: { created?: Date; expires?: Date; alg?: string; nonce?: string } = {},
  [privateKey, alg]: [KeyObject, string] = [ed25519.privateKey, 'ed25519'],
) {
  const signer = createSigner(privateKey, alg, 'key-1');
  const values = { created: NOW, keyid: 'key-1', ...params };
  const names = Object.keys(values) as ('created' | 'keyid')[];
  const { headers } = await httpbis.signMessage({ key: signer, fields, params: names, paramValues: values }, request);
  return headers;
}

function messageOf(headers: typeof request.headers, change: Partial<HttpMessage> = {}): HttpMessage {
  const lines = Object.entries(headers).flatMap(([name, value]) =>
    [value].flat().map((line): [string, string] => [name, line]),
  );
  return { method: request.method, url: request.url, headers: lines, body, ...change };
}

function failures(message: HttpMessage, rules: Rules = RULES, by: PublicKey = key): string[] {
  const find = (name: string) => message.headers.find(([header]) => header.toLowerCase() === name)![1];
  const [signature] = parseSignatures(find('signature-input'), find('signature'));
  return judgeSignature(message, signature!, by, rules)
    .filter(({ ok }) => !ok)
    .map(({ code }) => code);
}

const FIELDS = ['@method', '@target-uri', 'content-digest'];

describe('an HTTP message signature', () => {
  it('of another library is verified, for every algorithm and component', async () => {
    const fields = [
      ...FIELDS,
      '@authority',
      '@scheme',
      '@path',
      '@query',
      '@request-target',
      '"@query-param";name="q"',
      'content-type',
      'x-many',
      '"content-type";bs',
      '"signature-agent";key="main"',
    ];
    const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const ec384 = generateKeyPairSync('ec', { namedCurve: 'P-384' });
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const pairs: [KeyObject, KeyObject, string][] = [
      [ed25519.privateKey, ed25519.publicKey, 'ed25519'],
      [ec.privateKey, ec.publicKey, 'ecdsa-p256-sha256'],
      [ec384.privateKey, ec384.publicKey, 'ecdsa-p384-sha384'],
      [rsa.privateKey, rsa.publicKey, 'rsa-pss-sha512'],
      [rsa.privateKey, rsa.publicKey, 'rsa-v1_5-sha256'],
    ];
    for (const [privateKey, publicKey, alg] of pairs) {
      const headers = await signed(fields, { alg }, [privateKey, alg]);
      const by = await readJwk(publicKey.export({ format: 'jwk' }));
      expect({ alg, failures: failures(messageOf(headers), RULES, by) }).toEqual({ alg, failures: [] });
      expect(failures(messageOf(headers, { method: 'PUT' }), RULES, by)).toEqual(['signature_valid']);
    }
  });

  it('is refused when anything that it covers is changed', async () => {
    const headers = await signed([...FIELDS, 'content-type', 'x-many']);
    const changes: [Partial<HttpMessage>, string][] = [
      [{ url: request.url.replace('dry=1', 'dry=2') }, 'signature_valid'],
      [{ url: request.url.replace('api.test', 'api.evil') }, 'signature_valid'],
      [{ body: Buffer.from('{"amount":13}') }, 'content_digest'],
      [{ headers: messageOf({ ...headers, 'Content-Type': 'text/plain' }).headers }, 'signature_valid'],
      [{ headers: messageOf({ ...headers, 'X-Many': ['one'] }).headers }, 'signature_valid'],
      [{ headers: messageOf({ ...headers, 'X-Many': [] }).headers }, 'signature_valid'],
    ];
    for (const [change, code] of changes) expect(failures(messageOf(headers, change))).toEqual([code]);
    // What is not covered may change.
    expect(failures(messageOf({ ...headers, Accept: '*/*' }))).toEqual([]);
    // White space around a value and obsolete folding are no change either (§2.1).
    const spaced = { ...headers, 'Content-Type': ' application/json\t', 'X-Many': ['one', 'two \r\n '] };
    expect(failures(messageOf(spaced))).toEqual([]);
    const other = await readJwk(generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' }));
    expect(failures(messageOf(headers), RULES, other)).toEqual(['signature_valid']);
  });

  it('must cover what the rules want, and the body when there is one', async () => {
    const wanted = ['covered_components'];
    expect(failures(messageOf(await signed(['@method', '@target-uri'])))).toEqual(wanted);
    expect(failures(messageOf(await signed(['@target-uri', 'content-digest'])))).toEqual(wanted);
    const bodiless = messageOf(await signed(['@method', '@target-uri']), { body: Buffer.alloc(0) });
    expect(failures(bodiless)).toEqual([]);
  });

  it('is good for a while, with a minute for clocks', async () => {
    const at = (offset: number) => new Date((seconds + offset) * 1000);
    const judged = async (params: object, rules: Partial<Rules> = {}) =>
      failures(messageOf(await signed(FIELDS, params)), { ...RULES, ...rules });
    expect(await judged({ created: at(60) })).toEqual([]);
    expect(await judged({ created: at(61) })).toEqual(['signature_fresh']);
    expect(await judged({ created: at(-360) })).toEqual([]);
    expect(await judged({ created: at(-361) })).toEqual(['signature_fresh']);
    expect(await judged({ expires: at(-60) })).toEqual([]);
    expect(await judged({ expires: at(-61) })).toEqual(['signature_fresh']);
    const window = { maxWindowSeconds: 480 };
    expect(await judged({ expires: at(480) }, window)).toEqual([]);
    for (const expires of [at(481), at(0), undefined]) {
      expect(await judged(expires ? { expires } : {}, window)).toEqual(['signature_fresh']);
    }
    expect(acceptedUntil({ created: seconds }, RULES)).toEqual(at(360));
    expect(acceptedUntil({ created: seconds, expires: seconds + 10 }, RULES)).toEqual(at(70));
  });

  it('made as the samples of the Trusted Agent Protocol make it is read structurally', () => {
    const params = `("@authority" "@path"); created=${seconds}; expires=${seconds + 480}; keyId="k, (1)"; alg="ed25519"; nonce="n\\"1"; tag="agent-payer-auth"`;
    const base = `"@authority": api.test\n"@path": /v1/execution/authorize\n"@signature-params": ${params}`;
    const value = sign(null, Buffer.from(base), ed25519.privateKey).toString('base64');
    const message = messageOf({ 'Signature-Input': `sig2=${params}`, Signature: `sig2=:${value}:` });
    const [signature] = parseSignatures(message.headers[0]![1], message.headers[1]![1]);
    expect(signature!.params).toMatchObject({ keyid: 'k, (1)', nonce: 'n"1', tag: 'agent-payer-auth' });
    const rules = { now: NOW, cover: [['@authority', '@path']], maxAgeSeconds: 480, maxWindowSeconds: 480 };
    expect(failures(message, rules)).toEqual([]);
    expect(failures({ ...message, url: 'https://api.test/v1/other' }, rules)).toEqual(['signature_valid']);
  });

  it('under an algorithm that is not of the key is refused, above all a MAC', async () => {
    for (const alg of ['hmac-sha256', 'rsa-pss-sha512', 'ecdsa-p256-sha256', 'none', 'constructor']) {
      expect(failures(messageOf(await signed(FIELDS, { alg })))).toEqual(['signature_algorithm']);
    }
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const headers = await signed(FIELDS, {}, [rsa.privateKey, 'rsa-pss-sha512']);
    const by = await readJwk(rsa.publicKey.export({ format: 'jwk' }));
    expect(failures(messageOf(headers), RULES, by)).toEqual(['signature_algorithm']);
  });

  it('with components that are not of a request, twice, or hide line breaks is refused', () => {
    const base64 = Buffer.alloc(64).toString('base64');
    for (const list of [
      '"@method" "@method"',
      '"@status"',
      '"@signature-params"',
      '"@method";req',
      '"content-type";tr',
      '"content-type";x',
      '"Content-Type"',
      '"@query-param"',
      '"@query-param";name="absent"',
      '"absent"',
      '"signature-agent";key="absent"',
      '"x-broken"',
      '5',
    ]) {
      const headers = {
        ...request.headers,
        'X-Broken': 'a\n"@method": POST',
        'Signature-Input': `a=(${list});created=${seconds}`,
        Signature: `a=:${base64}:`,
      };
      const rules = { now: NOW, cover: [], maxAgeSeconds: 300 };
      expect({ list, failures: failures(messageOf(headers), rules) }).toEqual({ list, failures: ['signature_valid'] });
    }
  });

  it('does not take one character for another, nor an address for what it is not', async () => {
    const headers = { ...(await signed([...FIELDS, 'content-type'])), 'Content-Type': 'application/jso\u{16e}' };
    expect(failures(messageOf(headers))).toEqual(['signature_valid']);
    expect(Buffer.from('\u{16e}', 'latin1').toString()).toBe('n');
    for (const url of [
      'https://u@a.b/',
      'https://u:p@a.b/',
      'ftp://a.b/',
      'https://a.b\\c/',
      'https://a.b/ŕ',
      '//a.b/',
      'https://',
    ]) {
      expect({ url, good: isRequestUrl(url) }).toEqual({ url, good: false });
    }
  });

  it('with a digest is refused when one of several is wrong, or none is known', async () => {
    for (const [value, expected] of [
      [`${digest('sha-256')}, ${digest('sha-512')}`, []],
      [`${digest('sha-256')}, ${digest('sha-512', Buffer.from('x'))}`, ['content_digest']],
      ['md5=:1B2M2Y8AsgTpgAmY7PhCfg==:', ['content_digest']],
      ['nothing', ['content_digest']],
    ] as const) {
      const own = { ...request.headers, 'Content-Digest': value };
      const signer = createSigner(ed25519.privateKey, 'ed25519', 'key-1');
      const config = { key: signer, fields: FIELDS, params: ['created'], paramValues: { created: NOW } };
      const { headers } = await httpbis.signMessage(config, { ...request, headers: own });
      expect(failures(messageOf(headers))).toEqual(expected);
    }
  });

  it('is judged by the parameters that it signs, also where a header is read in two ways', async () => {
    const headers = await signed(FIELDS, { created: new Date('2026-03-05T21:00:00Z'), nonce: 'used' });
    const find = (name: string) =>
      String(Object.entries(headers).find(([header]) => header.toLowerCase() === name)![1]);
    const [signed1, bytes] = [find('signature-input'), find('signature')];
    const params = signed1.slice(signed1.indexOf('=') + 1);
    const value = bytes.slice(bytes.indexOf('=') + 1);
    // A display string (RFC 9651 §3.3.8) ends where a plain one goes on: quotes shift, and two members seem to be one.
    const input =
      `j=();q=%"\\", e=("@method" "@target-uri" "content-digest");created=${seconds};keyid="key-1";l="\\"", ` +
      `o=${params}, o=()`;
    expect(() => parseSignatures(input, `j=:AA==:, e=${value}, o=:AA==:`)).toThrow(HttpSignatureRefused);
    // The control: the same signature by itself is read, and is too old.
    expect(failures(messageOf({ ...request.headers, 'Signature-Input': signed1, Signature: bytes }))).toEqual([
      'signature_fresh',
    ]);
  });

  it('over a target that is no URL is refused', async () => {
    const headers = await signed(['@path']);
    for (const url of ['/v1/agents', 'http://h:3000http://h/v1/agents', 'https://api.test/v1#x']) {
      expect(failures(messageOf({ ...request.headers, ...headers }, { url }), { ...RULES, cover: [] })).toContain(
        'signature_valid',
      );
    }
  });

  it('that is not well formed is refused, with the header named', () => {
    const ok = 'a=("@method");created=1';
    const bytes = 'a=:AAAA:';
    for (const [input, signature, header] of [
      ['', bytes, 'Signature-Input'],
      ['a', bytes, 'Signature-Input'],
      ['a=1', bytes, 'Signature-Input'],
      ['a=("@method', bytes, 'Signature-Input'],
      [`${ok}, ${ok}`, bytes, 'Signature-Input'],
      ['a=("@method");created="1"', bytes, 'Signature-Input'],
      ['a=("@method");created=-1', bytes, 'Signature-Input'],
      ['a=("@method");keyid=5', bytes, 'Signature-Input'],
      [`a=(${'"@method" '.repeat(51)})`, bytes, 'Signature-Input'],
      [ok, 'a=:AAB=:', 'Signature'],
      ['a=(), b=(), c=(), d=(), e=()', 'a=:AAAA:, b=:AAAA:, c=:AAAA:, d=:AAAA:, e=:AAAA:', 'Signature-Input'],
      [`${ok};x="${'y'.repeat(9_000)}"`, bytes, 'Signature-Input'],
      [ok, '', 'Signature'],
      [ok, 'b=:AAAA:', 'Signature'],
      [ok, 'a="AAAA"', 'Signature'],
      [ok, 'a=:%:', 'Signature'],
    ] as const) {
      let thrown: unknown;
      try {
        parseSignatures(input, signature);
      } catch (error) {
        thrown = error;
      }
      expect({ input, signature, thrown }).toMatchObject({ thrown: { name: 'HttpSignatureRefused', header } });
    }
  });

  it('of any shape is refused or does not verify, and never throws anything else', () => {
    const piece = fc.oneof(
      fc.string(),
      fc.constantFrom(
        'a=',
        '(',
        ')',
        '"@method"',
        '"@path"',
        ';',
        'created=1',
        'keyId="x"',
        ',',
        '=',
        ':AAAA:',
        '"',
        '\\',
      ),
    );
    const header = fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join(''));
    const shaped = fc.oneof(
      header,
      header.map((text) => `a=(${text});created=${seconds}`),
    );
    let parsed = 0;
    fc.assert(
      fc.property(
        shaped,
        fc.oneof(header, fc.constant(`a=:${Buffer.alloc(64).toString('base64')}:`)),
        (input, value) => {
          const rules = { ...RULES, cover: [[]], coverBody: undefined };
          try {
            for (const signature of parseSignatures(input, value)) {
              parsed++;
              const message = messageOf({ ...request.headers, 'signature-input': input });
              if (judgeSignature(message, signature, key, rules).every(({ ok }) => ok)) return false;
            }
          } catch (error) {
            if (!(error instanceof HttpSignatureRefused)) throw error;
          }
          return true;
        },
      ),
      { numRuns: 3_000 },
    );
    expect(parsed).toBeGreaterThan(20);
    fc.assert(fc.property(header, (text) => void signatureAgents(text)));
    fc.assert(fc.property(fc.webUrl({ withQueryParameters: true }), (url) => isRequestUrl(url)));
  });
});
