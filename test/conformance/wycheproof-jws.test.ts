import { describe, expect, it } from 'vitest';
import { SdJwtFailure } from '../../src/trust/sd-jwt/failure.ts';
import { parseJws, verifyJws } from '../../src/trust/sd-jwt/jws.ts';
import { KeyRing } from '../../src/trust/sd-jwt/keys.ts';
import { haveWycheproof, readJson, WHY_SKIPPED } from './ap2-vectors.ts';

interface Group {
  public?: { kty: string; crv?: string; alg?: string };
  private: { kty: string; alg?: string };
  tests: { tcId: number; comment: string; jws: unknown; result: 'valid' | 'invalid' }[];
}

describe('the published JWS vectors', () => {
  it.skipIf(haveWycheproof)(WHY_SKIPPED, () => expect(haveWycheproof).toBe(false));
});

describe.skipIf(!haveWycheproof)('Wycheproof JSON web signatures', () => {
  const { testGroups } = haveWycheproof
    ? readJson<{ testGroups: Group[] }>('wycheproof/json_web_signature_test.json')
    : { testGroups: [] as Group[] };
  const cases = testGroups.flatMap(({ public: open, private: secret, tests }) =>
    tests.map((test) => ({ ...test, jwk: open ?? secret })),
  );
  const verdictOf = (jws: unknown, jwk: object): string => {
    try {
      verifyJws(parseJws(typeof jws === 'string' ? jws : JSON.stringify(jws)), new KeyRing().read(jwk));
      return 'valid';
    } catch (error) {
      return error instanceof SdJwtFailure ? error.code : `crash: ${String(error)}`;
    }
  };
  const mine = cases.filter(({ jwk }) => jwk.alg === 'ES256');
  const others = cases.filter(({ jwk }) => jwk.alg !== 'ES256');

  it.each(mine)('ES256 case $tcId, $comment, is $result', ({ jws, jwk, result }) => {
    const verdict = verdictOf(jws, jwk);
    expect(verdict === 'valid' ? 'valid' : 'invalid').toBe(result);
    expect(verdict).not.toMatch(/^crash/);
  });

  it('of every other algorithm are refused, valid or not', () => {
    expect(others.length).toBeGreaterThan(100);
    const verdicts = new Set(others.map(({ jws, jwk }) => verdictOf(jws, jwk)));
    for (const refused of ['invalid_key', 'alg_not_allowed', 'malformed']) verdicts.delete(refused);
    expect([...verdicts]).toEqual([]);
  });

  it('cannot be passed off under an ES256 key', () => {
    const { jwk } = mine[0]!;
    for (const { jws } of others) expect(verdictOf(jws, jwk)).not.toBe('valid');
    expect(mine.filter(({ result }) => result === 'valid')).toHaveLength(1);
  });
});
