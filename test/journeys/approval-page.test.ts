import { TOTP, Secret } from 'otpauth';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createAuthenticator } from '../setup/authenticator.ts';
import { startTestService, type TestService } from '../setup/service.ts';

let service: TestService;
let totp: TOTP;
let principalId: string;
let authorize: () => Promise<{ execution_ref: string; challenge: { approval_url: string } }>;

beforeAll(async () => {
  service = await startTestService();
  const { body: principal } = await service.api('POST', '/v1/identities/principals', {
    external_ref: 'ada',
    type: 'person',
    name: 'Ada',
  });
  principalId = principal['principal_id'] as string;
  const { body: enrolled } = await service.api<{ secret: string }>(
    'POST',
    `/v1/identities/principals/${principalId}/totp`,
    {},
  );
  totp = new TOTP({ secret: Secret.fromBase32(enrolled.secret) });
  const { body: agent } = await service.api<{ data: { id: string } }>('POST', '/v1/agents', {
    name: '<script>alert(1)</script>',
    principal_id: principalId,
  });
  await service.api('POST', '/v1/identities/delegations', {
    principal_id: principalId,
    agent_id: agent.data.id,
    scope: { actions: ['payment.authorize'], currencies: ['EUR'], step_up_above: 10 },
    ttl_seconds: 600,
  });
  authorize = async () => {
    const { body } = await service.api<Awaited<ReturnType<typeof authorize>>>('POST', '/v1/execution/authorize', {
      agent_id: agent.data.id,
      principal_id: principalId,
      intent: { amount: 25, currency: 'EUR', merchant_ref: 'mrc_1', channel: 'web' },
      context: { device_trust: 'verified' },
    });
    return body;
  };
}, 60_000);

afterAll(() => service.close());

const post = (url: string, form: Record<string, string>) =>
  fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams(form).toString(),
  });

describe('the page behind approval_url', () => {
  it('shows what is asked, with everything from outside escaped', async () => {
    const { challenge } = await authorize();
    const page = await (await fetch(challenge.approval_url)).text();
    expect(page).toContain('25.00 EUR');
    expect(page).toContain('&lt;script&gt;alert(1)&lt;/script&gt;');
    expect(page).not.toContain('<script>');
  });

  it('takes the principal’s code; the token is then picked up with the execution, and pays', async () => {
    const { challenge, execution_ref } = await authorize();
    const before = await service.api('GET', `/v1/executions/${execution_ref}`);
    expect(before.body).toMatchObject({ stage: 'challenged' });
    expect(before.body).not.toHaveProperty('execution_token');

    const page = await (await post(challenge.approval_url, { code: totp.generate() })).text();
    expect(page).toContain('You have confirmed this request.');

    const { body } = await service.api('GET', `/v1/executions/${execution_ref}`);
    expect(body).toMatchObject({ stage: 'approved' });
    const paid = await service.api('POST', '/v1/payments/authorize', {
      execution_token: body['execution_token'],
      payment_method: { type: 'token', token: 'tok_approve' },
    });
    expect(paid.status).toBe(201);
  });

  it('says so when the code is wrong, and leaves the challenge open', async () => {
    const { challenge, execution_ref } = await authorize();
    const page = await (await post(challenge.approval_url, { code: '000000' })).text();
    expect(page).toMatch(/That code is not right\. .* 2 attempts are left\./);
    const { body } = await service.api('GET', `/v1/executions/${execution_ref}`);
    expect(body).toMatchObject({ stage: 'challenged', challenge: { attempts_left: 2 } });
  });

  it('takes a no, for which nobody has to prove anything', async () => {
    const { challenge, execution_ref } = await authorize();
    const page = await (await post(challenge.approval_url, { decline: 'yes' })).text();
    expect(page).toContain('This request was declined');
    const { body } = await service.api('GET', `/v1/executions/${execution_ref}`);
    expect(body).toMatchObject({ stage: 'denied', decision: 'deny' });
  });

  it('asks for a passkey once there is one, where passkeys work, and points there from elsewhere', async () => {
    const passkeys = `/v1/identities/principals/${principalId}/passkeys`;
    const { body: made } = await service.api<{ options: { challenge: string }; origins: string[] }>(
      'POST',
      `${passkeys}/options`,
    );
    const key = createAuthenticator(made.origins[0]!, 'localhost');
    expect((await service.api('POST', passkeys, { response: key.create(made.options) })).status).toBe(201);
    const { challenge, execution_ref } = await authorize();
    const here = challenge.approval_url;
    const there = here.replace('127.0.0.1', 'localhost');
    expect(await (await fetch(here)).text()).toContain(`<a href="${there}">`);
    const page = await (await fetch(there)).text();
    const options = JSON.parse(/data-options="([^"]+)"/.exec(page)![1]!.replaceAll('&quot;', '"')) as {
      challenge: string;
      allowCredentials: object[];
    };
    // Whoever has the link sees the page: of the passkey it says what the browser needs.
    expect(options.allowCredentials).toEqual([{ id: key.id, type: 'public-key', transports: ['internal'] }]);
    // Scripts run from our own address alone: the page names one, and has none within.
    const script = /<script src="([^"]+)"/.exec(page)![1]!;
    expect(await (await fetch(new URL(script, there))).text()).toContain('navigator.credentials.get');
    const wrong = await post(there, { assertion: JSON.stringify(key.get(options, { verified: false })) });
    expect(await wrong.text()).toMatch(/That passkey did not confirm it\. .* 2 attempts are left\./);
    expect(await (await post(there, { assertion: '{' })).text()).toContain('Your browser did not send');
    const right = await post(there, { assertion: JSON.stringify(key.get(options)) });
    expect(await right.text()).toContain('You have confirmed this request.');
    expect((await service.api('GET', `/v1/executions/${execution_ref}`)).body).toMatchObject({ stage: 'approved' });
  });

  it('knows no challenge under another id', async () => {
    const { challenge } = await authorize();
    const other = challenge.approval_url.replace(/.$/, (c) => (c === '0' ? '1' : '0'));
    expect((await fetch(other)).status).toBe(404);
  });
});
