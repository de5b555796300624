import { describe, expect, it } from 'vitest';
import { canonicalJson } from '../../src/trust/canonical.ts';
import { canonicalCard } from '../../src/verify/agent-card-form.ts';
import { verifyAgentCard, verifyHttpSignature, verifyVerdict, verifyWebhook } from '../../src/verify/index.ts';
import { verifyCompact } from '../../src/verify/jws.ts';
import { haveVectors, MISSING, readVector } from './vectors.ts';

const read = (name: string): unknown => JSON.parse(readVector(name));

it.skipIf(haveVectors)(MISSING, ({ skip }) => {
  expect(haveVectors).toBe(false);
  skip(MISSING);
});

describe.skipIf(!haveVectors)('published verdicts', () => {
  interface Corpus {
    now: string;
    issuerPrefix: string;
    jwks: object;
    cases: { id: string; jws: string; expect: { valid: boolean; decision?: string; code?: string } }[];
  }
  it('are judged as they say', async () => {
    const { now, issuerPrefix, jwks, cases } = read('fidacy/verifier-conformance.json') as Corpus;
    const issuer = issuerPrefix.replace(/#$/, '');
    for (const { id, jws, expect: expected } of cases) {
      const { valid, code, claims } = await verifyVerdict({ jws, jwks, now, issuer });
      const told = valid ? { valid, decision: claims['decision'] } : { valid, code };
      expect([id, told]).toEqual([id, expected]);
    }
    expect(cases).toHaveLength(4);
  });
});

describe.skipIf(!haveVectors)('published signed cards', () => {
  interface Cards {
    public_jwk: object;
    canonicalization_cases: { id: string; agent_card: Record<string, unknown>; expected_jcs_payload: string }[];
    signing_cases: {
      id: string;
      agent_card: Record<string, unknown>;
      expected_protected_b64: string;
      expected_jcs_payload: string;
      signature: string;
    }[];
  }
  const cards = () => read('a2a/card-signing.json') as Cards;

  it('have the canonical form that they say', () => {
    const { canonicalization_cases, signing_cases } = cards();
    for (const { id, agent_card, expected_jcs_payload } of [...canonicalization_cases, ...signing_cases]) {
      expect([id, canonicalCard({ ...agent_card, signatures: [] })]).toEqual([id, expected_jcs_payload]);
    }
  });

  it('verify, and not when changed', async () => {
    const { public_jwk, signing_cases } = cards();
    expect(signing_cases.length).toBeGreaterThan(0);
    for (const { agent_card, expected_protected_b64, signature } of signing_cases) {
      const card = { ...agent_card, signatures: [{ protected: expected_protected_b64, signature }] };
      const jwks = { keys: [public_jwk] };
      expect((await verifyAgentCard({ card, jwks })).code).toBe('valid');
      expect((await verifyAgentCard({ card: { ...card, name: 'Other' }, jwks })).code).toBe('invalid_signature');
    }
  });
});

describe.skipIf(!haveVectors)('published webhooks', () => {
  interface Webhook {
    case: string;
    secret: string;
    id: string | null;
    timestamp: string | null;
    signature: string | null;
    body: string;
    now: number;
    valid: boolean;
  }
  const cases = haveVectors ? (read('webhooks/standard-webhooks.json') as { cases: Webhook[] }).cases : [];

  it.each(cases)('$case', async ({ secret, id, timestamp, signature, body, now, valid }) => {
    const all = { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signature };
    const headers = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== null));
    expect((await verifyWebhook({ headers, body, secret, now })).valid).toBe(valid);
  });
});

describe.skipIf(!haveVectors)('published signed requests', () => {
  interface Signed {
    id: string;
    message: { start_line: string; headers: [string, string][]; body: string | null };
    signature_input: string;
    signature: string;
    valid: boolean;
  }
  const vectors = haveVectors
    ? (read('http-message-signatures/rfc9421.json') as { keys: object; cases: Signed[] })
    : { keys: {}, cases: [] };

  it.each(vectors.cases)('$id', async ({ message, signature, signature_input, valid }) => {
    const [method, target] = message.start_line.split(' ') as [string, string];
    const headers: Record<string, string[]> = { Signature: [signature], 'Signature-Input': [signature_input] };
    for (const [name, value] of message.headers) (headers[name] ??= []).push(value);
    const input = {
      method,
      url: `https://${headers['Host']![0]}${target}`,
      headers,
      body: message.body ?? undefined,
      keys: vectors.keys,
      now: 1_618_884_480,
    };
    const { code } = await verifyHttpSignature(input);
    expect(code).toBe(valid ? 'valid' : 'invalid_signature');
  });
});

describe.skipIf(!haveVectors)('published canonical JSON', () => {
  it.each(['french', 'structures', 'weird'])('%s', (name) => {
    const input = JSON.parse(readVector(`jcs/input/${name}.json`)) as unknown;
    expect(canonicalJson(input)).toBe(readVector(`jcs/output/${name}.json`));
  });

  it('numbers', () => {
    const numbers = read('jcs/numbers.json') as { ieee754: string; expected: string | null }[];
    const lines = readVector('jcs/es6-numbers.txt').trim().split('\n');
    const all = [
      ...numbers,
      ...lines.map((line) => {
        const [ieee754, expected] = line.split(',') as [string, string];
        return { ieee754, expected };
      }),
    ];
    expect(all.length).toBeGreaterThan(500);
    for (const { ieee754, expected } of all) {
      const value = Buffer.from(ieee754.padStart(16, '0'), 'hex').readDoubleBE();
      expect([ieee754, printed(value)]).toEqual([ieee754, expected]);
    }
  });
});

describe.skipIf(!haveVectors)('published JSON Web Signatures', () => {
  interface Group {
    comment: string;
    public?: { kid?: string; kty: string; alg?: string };
    tests: { tcId: number; comment: string; jws: unknown; result: 'valid' | 'invalid' | 'acceptable' }[];
  }
  const groups = haveVectors
    ? (read('wycheproof/json_web_signature_test.json') as { testGroups: Group[] }).testGroups.filter(
        (group) => group.public,
      )
    : [];

  it.each(groups)('under a public key ($comment)', async (group) => {
    const { public: key, tests } = group;
    for (const { tcId, comment, jws, result } of tests) {
      const header = headerOf(jws);
      const keys = [{ ...key!, kid: header?.kid ?? key!.kid ?? 'the key' }];
      const outcome = await verifyCompact(jws, { keys, kidOptional: true });
      const verdict = outcome.ok ? 'valid' : 'invalid';
      expect([tcId, comment, verdict]).toEqual([tcId, comment, REFUSED_BY_CHOICE.has(tcId) ? 'invalid' : result]);
      expect((await verifyVerdict({ jws, jwks: { keys } })).valid).toBe(false);
    }
  });

  it('with a shared secret are not taken at all', async () => {
    const { testGroups } = read('wycheproof/json_web_signature_test.json') as { testGroups: Group[] };
    const secret = testGroups.filter((group) => !group.public) as (Group & { private: { kty: string } })[];
    expect(secret.length).toBeGreaterThan(0);
    for (const { private: key, tests } of secret) {
      for (const { jws } of tests)
        expect((await verifyCompact(jws, { keys: [key], kidOptional: true })).ok).toBe(false);
    }
  });
});

/** Their keys name the algorithm "ES521", which there is not: a key serves no algorithm but its own. */
const REFUSED_BY_CHOICE = new Set([347, 351]);

function headerOf(jws: unknown): { kid?: string; alg?: string } | undefined {
  try {
    return JSON.parse(Buffer.from(String(jws).split('.')[0]!, 'base64url').toString()) as { kid?: string };
  } catch {
    return undefined;
  }
}

/** `null` where there is no canonical form. */
function printed(value: number): string | null {
  try {
    return canonicalJson(value);
  } catch {
    return null;
  }
}
