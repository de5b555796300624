import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { parseId } from '../../src/domain/ids.ts';
import { insertApiKey, newApiKeySecret } from '../../src/store/api-keys.ts';
import { paymentNow } from '../trust/mandates/now.ts';
import { eventually, startJourney, type Cast, type Journey } from './journey.ts';

interface Assessed {
  assessmentId: string;
  decision: string;
  outcome: { rejection_reasons: { key: string }[] };
}
interface Review {
  status: string;
  refinement: { status: string };
}

let t: Journey;
let service: Server;
/** Names and domains that the service lists; undefined while it is away. */
let listed: Set<string> | undefined;
beforeAll(async () => {
  service = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { payee } = JSON.parse(Buffer.concat(chunks).toString()) as { payee: Record<string, string> };
      const status = Object.values(payee).some((value) => listed?.has(value)) ? 'listed' : 'clear';
      response.writeHead(listed ? 200 : 503).end(JSON.stringify({ status }));
    });
  });
  service.listen(0, '127.0.0.1');
  await once(service, 'listening');
  const url = `http://127.0.0.1:${(service.address() as AddressInfo).port}/`;
  t = await startJourney({ PAYEE_SCREENING_URL: url });
});
afterEach(() => settings({}));
afterAll(async () => {
  await t.close();
  service.close();
});

const settings = (more: object) => t.api('PUT', '/v1/review-settings', more);
const mandateOf = (payee: object, amount = 1_000) => ({
  vct: 'mandate.payment.1',
  transaction_id: randomUUID(),
  payee,
  payment_amount: { amount, currency: 'EUR' },
  payment_instrument: { id: 'pi_1', type: 'card' },
});
const payeeOf = (name: string, domain = 'shop.example') => ({ id: 'mrc_shop', name, website: `https://${domain}/pay` });
const assess = async (mandate: object, { agent_id, principal_id, everyday: delegation_id }: Cast) => {
  const sent = { mandate, agent_id, principal_id, delegation_id, context: { risk_signals: ['velocity_ok'] } };
  return (await t.api<Assessed>('POST', '/v1/assess', sent)).body;
};
const reasons = ({ outcome }: Assessed) => outcome.rejection_reasons.map(({ key }) => key);
const review = async (id: string) => (await t.api<Review>('GET', `/v1/reviews/${id}`)).body;

async function approve(id: string) {
  const secret = newApiKeySecret('test');
  const tenant = { orgId: parseId(t.credentials.org_id, 'org')!, mode: 'test' as const };
  await insertApiKey(t.database.pool, { tenant, name: 'operator', scopes: ['assess:write'], secret });
  const said = { verdict: 'approve', note: 'looked at it' };
  const { body } = await t.api<{ decision: string; reasons: { code: string }[] }>(
    'POST',
    `/v1/assessments/${id}/review`,
    said,
    { authorization: `Bearer ${secret}` },
  );
  return [body.decision, ...body.reasons.map(({ code }) => code)];
}

describe('a payee that could not be screened when it was asked', () => {
  it.each([
    ['name', new Set(['Listed Ltd'])],
    ['domain', new Set(['listed.example'])],
  ])('is screened at the yes of a person by the %s that its mandate has', async (_, entries) => {
    listed = undefined;
    const asked = await assess(mandateOf(payeeOf('Listed Ltd', 'listed.example')), await t.cast());
    expect([asked.decision, ...reasons(asked)]).toEqual(['review', 'review_required', 'payee_unscreened']);
    listed = entries;
    expect(await approve(asked.assessmentId)).toEqual(['deny', 'policy_denied', 'payee_listed', 'risk_elevated']);
  });

  it('is approved by a person when nothing is found then (control)', async () => {
    listed = undefined;
    const asked = await assess(mandateOf(payeeOf('Shop')), await t.cast());
    listed = new Set(['Listed Ltd']);
    expect(await approve(asked.assessmentId)).toEqual(['approve']);
  });
});

describe('the payee of a mandate', () => {
  it('is screened when a payment is authorized under it, by what the mandate calls it', async () => {
    const propose = async (name: string) => {
      const payee = { ...payeeOf(name), id: 'mrc_hotel' };
      const made = paymentNow({ amount: 12_000, currency: 'EUR', payee });
      const wish = { mandate: made.mandate(made.token), verification: made.verification };
      const { body } = await t.propose(await t.cast(), wish);
      return [body.decision, ...body.reasons.map(({ code }) => code)];
    };
    listed = new Set(['Listed Ltd']);
    expect(await propose('Hotel')).toEqual(['approved']);
    expect(await propose('Listed Ltd')).toEqual(['deny', 'policy_denied', 'payee_listed', 'risk_elevated']);
  });
});

describe('a second look that may release', () => {
  const looked = (id: string) =>
    eventually(
      () => review(id),
      ({ refinement }) => refinement.status !== 'pending',
    );

  it('releases what a rule has somebody look at (control)', async () => {
    listed = new Set();
    await settings({ auto_release_below: 100 });
    await t.api('POST', '/v1/policies', { name: 'look', rules: { review_above: 500 }, activate: true });
    const asked = await assess(mandateOf(payeeOf('Shop')), await t.cast());
    expect(reasons(asked)).toEqual(['review_required']);
    expect(await looked(asked.assessmentId)).toMatchObject({ status: 'approved' });
    await t.api('POST', '/v1/policies', { name: 'none', rules: {}, activate: true });
  });

  it('releases no payee that could not be screened, of an assessment or of an execution', async () => {
    listed = undefined;
    await settings({ auto_release_below: 100 });
    const asked = await assess(mandateOf(payeeOf('Shop')), await t.cast());
    expect(await looked(asked.assessmentId)).toMatchObject({ status: 'open' });
    const { body } = await t.propose(await t.cast());
    expect(body.reasons.map(({ code }) => code)).toContain('payee_unscreened');
    expect(await looked(body.execution_ref)).toMatchObject({ status: 'open' });
  });

  it('releases nothing of an agent that nobody registered', async () => {
    listed = new Set();
    await settings({ auto_release_below: 100 });
    const { body } = await t.api<Assessed>('POST', '/v1/assess', { mandate: mandateOf(payeeOf('Shop')) });
    expect(reasons(body)).toContain('agent_unregistered');
    expect(await looked(body.assessmentId)).toMatchObject({ status: 'open' });
  });
});
