import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestApi, type TestApi } from './setup.ts';

let t: TestApi;
beforeAll(async () => {
  t = await startTestApi();
});
afterAll(() => t.close());

const account = (kind: string, credentials: object) => ({
  processor: kind,
  mid: crypto.randomUUID(),
  kind,
  base_url: 'https://api.processor.example',
  credentials,
});
const STRIPE = { api_key: 'sk_test_example', notification_secret: `whsec_${'a'.repeat(32)}` };
const ADYEN = { api_key: 'AQE_example', notification_secret: 'AB'.repeat(32) };

describe('the credentials of an account', () => {
  it.each([
    ['stripe', STRIPE],
    ['stripe', { api_key: 'rk_live_example' }],
    ['adyen', ADYEN],
    ['simulator', { api_key: 'any' }],
  ])('of kind %s are taken in the form of the kind', async (kind, credentials) => {
    expect((await t.api('POST', '/v1/processors', account(kind, credentials))).status).toBe(201);
  });

  it.each([
    ['stripe', { ...STRIPE, api_key: 'pk_test_published' }, 'credentials.api_key'],
    ['stripe', { ...STRIPE, notification_secret: 'AB'.repeat(32) }, 'credentials.notification_secret'],
    ['adyen', { ...ADYEN, notification_secret: STRIPE.notification_secret }, 'credentials.notification_secret'],
  ])('of kind %s are refused in another form, by the member and without its value', async (kind, credentials, path) => {
    const answer = await t.api('POST', '/v1/processors', account(kind, credentials));
    expect(answer).toMatchObject({ status: 400, body: { errors: [{ path }] } });
    for (const secret of Object.values(credentials)) expect(JSON.stringify(answer.body)).not.toContain(secret);
  });

  it('are held to the kind when they change', async () => {
    const { body } = await t.api('POST', '/v1/processors', account('stripe', STRIPE));
    const change = (credentials: object) => t.api('PATCH', `/v1/processors/${body.mid_id}`, { credentials });
    expect((await change({ api_key: 'AQE_of_adyen' })).status).toBe(400);
    expect((await change({ api_key: 'sk_test_other' })).status).toBe(200);
  });
});
