import { randomBytes } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { notificationBody, RETRY_SECONDS, signedHeaders } from '../../workers/delivery.ts';
import { pageOf, sectionOf } from './tables.ts';

const section = sectionOf(pageOf('docs/integration.md'), '## 6. Events');

type Verifies = (headers: Record<string, string>, body: string, secret: string, nowSeconds?: number) => boolean;

/** The recipe as a reader would paste it. */
async function recipeOf(text: string): Promise<Verifies> {
  const code = /```js\n([^]*?)```/.exec(text)![1]!;
  const module = (await import(`data:text/javascript,${encodeURIComponent(code)}`)) as { verifies: Verifies };
  return module.verifies;
}

function words(seconds: number): string {
  const unit = seconds < 60 ? ([1, 's'] as const) : seconds < 3_600 ? ([60, 'min'] as const) : ([3_600, 'h'] as const);
  return `${seconds / unit[0]} ${unit[1]}`;
}

const secret = `whsec_${randomBytes(32).toString('base64')}`;
const at = new Date('2026-11-23T06:00:00Z');
const event = {
  id: '01980c2e-7d4a-7c3e-9f21-5b8a4d6e7f10',
  type: 'payment.captured',
  subject: 'pay_01h455vb4pex5vsknk084sn02q',
  occurred_at: '2026-11-23T06:00:00Z',
  sequence: 42,
  data: { merchant_ref: 'Bücher', amount_minor: 24_000 },
};
const body = notificationBody({
  id: 1,
  attempts: 1,
  endpoint_id: event.id,
  url: 'https://shop.example',
  secret_sealed: '',
  event,
});

describe('the webhooks of docs/integration.md', () => {
  let verifies: Verifies;
  beforeAll(async () => {
    verifies = await recipeOf(section);
  });

  it('are verified by the recipe', () => {
    expect(verifies(signedHeaders('evt_1', body, secret, at), body, secret, at.getTime() / 1000)).toBe(true);
  });

  it('are refused by the recipe when changed, signed by another, or old', () => {
    const headers = signedHeaders('evt_1', body, secret, at);
    const now = at.getTime() / 1000;
    expect(verifies(headers, body.replace('24000', '24001'), secret, now)).toBe(false);
    expect(verifies({ ...headers, 'webhook-id': 'evt_2' }, body, secret, now)).toBe(false);
    expect(verifies(headers, body, `whsec_${randomBytes(32).toString('base64')}`, now)).toBe(false);
    expect(verifies(headers, body, secret, now + 301)).toBe(false);
    expect(verifies({ ...headers, 'webhook-signature': 'v1,' }, body, secret, now)).toBe(false);
  });

  it('have the members of the example, in its order', () => {
    const example = JSON.parse(/```json\n([^]*?)```/.exec(section)![1]!) as object;
    expect(Object.keys(JSON.parse(body) as object)).toEqual(Object.keys(example));
  });

  it('are sent with the headers of the table', () => {
    const listed = [...section.matchAll(/^\| `((?:webhook|x)-[a-z]+)`/gm)].map((match) => match[1]);
    const sent = Object.keys(signedHeaders('evt_1', body, secret, at)).filter((name) => /^(webhook|x)-/.test(name));
    expect(listed).toEqual(sent);
  });

  it('are tried again as often as the page says', () => {
    const times = RETRY_SECONDS.map(words);
    expect(section).toContain(`tried again after ${times.slice(0, -1).join(', ')} and ${times.at(-1)},`);
  });
});
