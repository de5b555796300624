import { calculateJwkThumbprint, type JWK } from 'jose';
import { describe, expect, it } from 'vitest';
import { signatureVerifies } from '../../src/trust/http-signature/algorithms.ts';
import { signatureBases, type HttpMessage } from '../../src/trust/http-signature/base.ts';
import { judgeSignature } from '../../src/trust/http-signature/judge.ts';
import { parseSignatures } from '../../src/trust/http-signature/parse.ts';
import { signatureAgents } from '../../src/trust/http-signature/signature-agent.ts';
import { JwsRefused, readJws, verifiesUnder } from '../../src/trust/jws.ts';
import { KeyRefused, readJwk, readPem } from '../../src/trust/public-key.ts';
import { present, suffix, vectors } from './agent-proof-vectors.ts';

type Jwk = Record<string, unknown>;
const PRIVATE = ['d', 'p', 'q', 'dp', 'dq', 'qi'];
const publicOf = (jwk: Jwk) => Object.fromEntries(Object.entries(jwk).filter(([name]) => !PRIVATE.includes(name)));

/** Codes of the findings that are not good, under rules that want no component in particular. */
function failures(message: HttpMessage, signature: ReturnType<typeof parseSignatures>[0], key: Key, atMs: number) {
  const rules = { now: new Date(atMs), cover: [], maxAgeSeconds: 365 * 86_400 };
  return judgeSignature(message, signature, key, rules)
    .filter(({ ok }) => !ok)
    .map(({ code }) => code);
}
type Key = Awaited<ReturnType<typeof readJwk>>;

describe.skipIf(!present)(`RFC 9421, appendix B${suffix}`, () => {
  interface Case {
    id: string;
    label: string;
    keyid: string;
    message: { start_line: string; headers: [string, string][]; body: string | null };
    signature_base: string | null;
    signature_input: string;
    signature: string;
    valid: boolean;
  }
  const { cases, keys } = present
    ? (vectors('http-message-signatures/rfc9421.json') as { cases: Case[]; keys: Record<string, Jwk> })
    : { cases: [], keys: {} };

  it.each(cases)('$id $note', async ({ message: { start_line, headers, body }, ...vector }) => {
    const [method, target] = start_line.split(' ') as [string, string];
    const host = headers.find(([name]) => name === 'Host')![1];
    const message = { method, url: `https://${host}${target}`, headers, body: Buffer.from(body ?? '') };
    const [signature] = parseSignatures(vector.signature_input, vector.signature);
    const [base] = signatureBases(message, signature!);
    expect(base === vector.signature_base).toBe(vector.valid);
    const key = await readJwk(publicOf(keys[vector.keyid]!));
    const created = signature!.params.created! * 1000;
    expect(failures(message, signature!, key, created)).toEqual(vector.valid ? [] : ['signature_valid']);
  });
});

describe.skipIf(!present)(`Web Bot Auth${suffix}`, () => {
  interface Case {
    key: Jwk;
    target_url: string;
    created_ms: number;
    expires_ms: number;
    nonce: string;
    label: string;
    signature: string;
    signature_input: string;
    signature_agent?: string;
  }
  const cases = present
    ? ['v1', 'v2'].flatMap((v) =>
        (vectors(`web-bot-auth/architecture_${v}.json`) as Case[]).map((vector) => ({ v, ...vector })),
      )
    : [];

  it.each(cases)('architecture $v, $label, $key.kid', async (vector) => {
    const headers = vector.signature_agent ? [['Signature-Agent', vector.signature_agent] as const] : [];
    const message = { method: 'GET', url: vector.target_url, headers, body: Buffer.alloc(0) };
    const [signature] = parseSignatures(vector.signature_input, vector.signature);
    const key = await readJwk(publicOf({ ...vector.key }));
    expect(signature).toMatchObject({
      label: vector.label,
      params: { keyid: key.thumbprint, nonce: vector.nonce, tag: 'web-bot-auth' },
    });
    expect(failures(message, signature!, key, vector.created_ms)).toEqual([]);
    const late = vector.expires_ms + 61_000;
    expect(failures(message, signature!, key, late)).toEqual(['signature_fresh']);
    const elsewhere = { ...message, url: vector.target_url.replace('example.com', 'example.org') };
    expect(failures(elsewhere, signature!, key, vector.created_ms)).toEqual(['signature_valid']);
  });

  const agents = present
    ? (vectors('web-bot-auth/signature_agent_v1.json') as { name: string; header: string; entries: object[] }[])
    : [];
  it.each(agents)('Signature-Agent, $name', ({ header, entries }) => {
    expect(signatureAgents(header)).toEqual(entries);
  });
});

describe.skipIf(!present)(`Raw signatures${suffix}`, () => {
  interface Group {
    publicKeyPem: string;
    tests: { tcId: number; msg: string; sig: string; result: string }[];
  }
  it.each([
    ['ed25519_test.json', 'ed25519', 45, 31],
    ['ecdsa_secp256r1_sha256_p1363_test.json', 'ecdsa-p256-sha256', 87, 45],
  ])('Wycheproof, %s', async (file, algorithm, valid, invalid) => {
    const wrong: number[] = [];
    const counts = { valid: 0, invalid: 0 };
    const { testGroups } = vectors(`wycheproof/${file}`) as { testGroups: Group[] };
    for (const group of testGroups) {
      const { jwk } = await readPem(group.publicKeyPem);
      for (const { tcId, msg, sig, result } of group.tests) {
        const base = Buffer.from(msg, 'hex').toString('latin1');
        const verdict = signatureVerifies(algorithm, jwk, base, Buffer.from(sig, 'hex')) ? 'valid' : 'invalid';
        if (verdict !== result) wrong.push(tcId);
        counts[verdict]++;
      }
    }
    expect(wrong).toEqual([]);
    expect(counts).toEqual({ valid, invalid });
  });
});

describe.skipIf(!present)(`JOSE${suffix}`, () => {
  const thumbprints = present ? (vectors('jose/thumbprints.json') as { name: string; jwk: Jwk }[]) : [];
  it.each(thumbprints)('thumbprint of RFC 8037 A.3, $name', async (vector) => {
    const { thumbprint } = await readJwk(vector.jwk);
    expect(Object.values(vector)).toContain(thumbprint);
    expect(thumbprint).toBe(await calculateJwkThumbprint(vector.jwk as JWK));
  });

  interface Group {
    comment: string;
    public?: Jwk & { keys?: Jwk[] };
    private: Jwk & { keys?: Jwk[] };
    tests: { tcId: number; comment: string; jws: string; result: 'valid' | 'invalid' }[];
  }
  /** Whether a token is accepted under a registered key; a key that is refused accepts nothing. */
  async function accepted(jwk: Jwk, token: string): Promise<string> {
    let key: Key;
    try {
      key = await readJwk(publicOf(jwk));
    } catch (error) {
      if (error instanceof KeyRefused) return `key refused: ${error.kind}`;
      throw error;
    }
    // Most of these payloads are no JSON object, which is all that we read: the signature is what is tested here.
    const [header] = token.split('.');
    const parsed = JSON.parse(Buffer.from(header!, 'base64url').toString('utf8')) as { alg: string };
    return (await verifiesUnder({ token, header: parsed }, key)) ? 'valid' : 'invalid';
  }
  const groupsOf = (file: string) =>
    present ? (vectors(`wycheproof/${file}`) as { testGroups: Group[] }).testGroups : [];

  it('Wycheproof, keys: those that must be refused are, and why', async () => {
    const results: Record<string, string> = {};
    for (const group of groupsOf('json_web_key_test.json')) {
      const keys = (group.public ?? group.private).keys!;
      for (const test of group.tests) {
        const outcomes = [];
        for (const jwk of keys) outcomes.push(await accepted(jwk, test.jws));
        results[`${test.tcId} ${test.comment} ${test.result}`] = outcomes.join(', ');
      }
    }
    const secret = 'key refused: private';
    expect(results).toEqual({
      '1 rejectsValid invalid': `${secret}, invalid`,
      '2 acceptsValid valid': `${secret}, ${secret}`,
      '3 rejectsModifiedSignature invalid': `${secret}, ${secret}`,
      '5 acceptsValid valid': 'valid',
      '6 rejectsWrongUse invalid': 'key refused: unreadable',
      '8 rejects1024bitRsaKey invalid': 'key refused: weak',
      '10 key_too_short invalid': secret,
      '12 key_too_short invalid': secret,
      '14 long_key valid': secret,
      '17 empty_key invalid': secret,
      '19 mismatchedAlgAndCurve invalid': 'key refused: unreadable',
      '21 rejectsModifiedKey invalid': 'key refused: unreadable',
      '23 rejectsModifiedKey invalid': 'key refused: unreadable',
      '25 rejectsAesKey invalid': secret,
    });
  });

  it('Wycheproof, signatures: valid ones verify, all others do not', async () => {
    const wrong: string[] = [];
    const counts = { valid: 0, invalid: 0 };
    for (const group of groupsOf('json_web_signature_test.json').filter((one) => one.public)) {
      // P-521 and secrets are kinds of keys that are not taken.
      const untaken = group.public!['crv'] === 'P-521';
      for (const test of group.tests) {
        let result: string;
        try {
          result = await accepted(group.public!, test.jws);
        } catch {
          result = 'unreadable';
        }
        const expected = untaken ? 'invalid' : test.result;
        if ((result === 'valid') !== (expected === 'valid')) wrong.push(`${test.tcId} ${test.comment}: ${result}`);
        counts[expected]++;
      }
    }
    expect(wrong).toEqual([]);
    expect(counts.valid).toBeGreaterThan(15);
    expect(counts.invalid).toBeGreaterThan(140);
  });

  it('Wycheproof, MACs: none is taken, whatever the key', () => {
    for (const group of groupsOf('json_web_signature_test.json').filter((one) => !one.public)) {
      for (const { jws } of group.tests) expect(() => readJws(jws)).toThrow(JwsRefused);
    }
  });
});
