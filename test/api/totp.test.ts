import { randomUUID } from 'node:crypto';
import { URI, type TOTP } from 'otpauth';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseId } from '../../src/domain/ids.ts';
import { MAX_TRIES, verifyTotp } from '../../src/store/totp.ts';
import { startTestApi, type TestApi } from './setup.ts';

const NOW = new Date('2026-03-05T22:00:10Z');
let t: TestApi;
beforeAll(async () => {
  t = await startTestApi();
});
afterAll(() => t.close());

async function enrolled() {
  const body = { external_ref: randomUUID(), type: 'person', name: 'Ada' };
  const { principal_id } = (await t.api('POST', '/v1/identities/principals', body)).body;
  const enrolment = (await t.api('POST', `/v1/identities/principals/${principal_id}/totp`)).body;
  const totp = URI.parse(enrolment.otpauth_url) as TOTP;
  expect(totp.secret.base32).toBe(enrolment.secret);
  const verify = (code: string, now = NOW) =>
    verifyTotp(t.deps.pool, t.deps.sealer, { tenant: t.tenant, principalId: parseId(principal_id, 'prn')!, code, now });
  const codeAt = (seconds: number) => totp.generate({ timestamp: NOW.getTime() + seconds * 1000 });
  const state = async () => (await t.api('GET', `/v1/identities/principals/${principal_id}`)).body.step_up;
  return { principal_id, verify, codeAt, state, secret: enrolment.secret as string };
}

describe('a TOTP enrolment', () => {
  it('is confirmed by its first valid code', async () => {
    const { verify, codeAt, state } = await enrolled();
    expect(await state()).toEqual({ methods: ['totp'], totp: 'unconfirmed' });
    expect(await verify(codeAt(0))).toBe('ok');
    expect(await state()).toEqual({ methods: ['totp'], totp: 'confirmed' });
  });

  it('accepts one step of drift on either side, and no more', async () => {
    const { verify, codeAt } = await enrolled();
    expect(await verify(codeAt(-60))).toBe('wrong');
    expect(await verify(codeAt(60))).toBe('wrong');
    expect(await verify('000')).toBe('wrong');
    expect(await verify(codeAt(-30))).toBe('ok');
    expect(await verify(codeAt(30))).toBe('ok');
  });

  it('accepts a code once, and none before it afterwards', async () => {
    const { verify, codeAt } = await enrolled();
    expect(await verify(codeAt(0))).toBe('ok');
    expect(await verify(codeAt(0))).toBe('reused');
    expect(await verify(codeAt(-30))).toBe('reused');
    expect(await verify(codeAt(30))).toBe('ok');
  });

  it('accepts a code once also when it arrives many times at once', async () => {
    const { verify, codeAt } = await enrolled();
    const verdicts = await Promise.all(Array.from({ length: 8 }, () => verify(codeAt(0))));
    expect(verdicts.filter((verdict) => verdict === 'ok')).toHaveLength(1);
    expect(verdicts.filter((verdict) => verdict === 'reused')).toHaveLength(7);
  });

  it('is not found out by trying, however many challenges there are, and is tried again after an hour', async () => {
    const { verify, codeAt } = await enrolled();
    const wrong = codeAt(120);
    const all = await Promise.all(Array.from({ length: MAX_TRIES + 5 }, () => verify(wrong)));
    expect(all.filter((verdict) => verdict === 'wrong')).toHaveLength(MAX_TRIES);
    expect(all.filter((verdict) => verdict === 'too_many')).toHaveLength(5);
    expect(await verify(codeAt(0))).toBe('too_many');
    const later = 3_600;
    expect(await verify(codeAt(later), new Date(NOW.getTime() + later * 1000))).toBe('ok');
  });

  it('forgets what was tried once a code is good', async () => {
    const { verify, codeAt } = await enrolled();
    for (let round = 0; round < 3; round++) {
      for (let n = 1; n < MAX_TRIES; n++) expect(await verify('0')).toBe('wrong');
      expect(await verify(codeAt(round * 30), new Date(NOW.getTime() + round * 30_000))).toBe('ok');
    }
  });

  it('is replaced by the next one', async () => {
    const { principal_id, verify, codeAt, state } = await enrolled();
    expect(await verify(codeAt(0))).toBe('ok');
    await t.api('POST', `/v1/identities/principals/${principal_id}/totp`);
    expect(await state()).toMatchObject({ totp: 'unconfirmed' });
    expect(await verify(codeAt(30))).toBe('wrong');
  });

  it('stands in the database sealed, and in no audit entry', async () => {
    const { secret } = await enrolled();
    for (const table of ['principals', 'idempotency_keys', 'audit_entries']) {
      const { rows } = await t.deps.pool.query(`SELECT x::text FROM ${table} x`);
      expect(JSON.stringify(rows)).not.toContain(secret);
    }
  });

  it('is missing where nobody enrolled', async () => {
    const verdict = await verifyTotp(t.deps.pool, t.deps.sealer, {
      tenant: t.tenant,
      principalId: randomUUID(),
      code: '123456',
      now: NOW,
    });
    expect(verdict).toBe('not_enrolled');
  });
});
