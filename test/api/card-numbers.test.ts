import { randomUUID } from 'node:crypto';
import { bigInt, check, property, uuid } from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findCardNumber, mayHoldCardNumber } from '../../src/api/pipeline/card-numbers.ts';
import { startTestApi, type TestApi } from './setup.ts';

let t: TestApi;
let before: Record<string, number>;
beforeAll(async () => {
  t = await startTestApi();
  before = await t.rowCounts();
});
afterAll(() => t.close());

/** Published test numbers: Visa (16, 13), Mastercard (old and 2-series), Amex, Discover, Diners, JCB, UnionPay, Maestro. */
const CARDS = [
  '4242424242424242',
  '4222222222222',
  '5555555555554444',
  '2223003122003222',
  '378282246310005',
  '6011111111111117',
  '30569309025904',
  '3566002020360505',
  '6200000000000005',
  '6304000000000000',
];
const [VISA] = CARDS as [string];
const valid = { external_ref: 'r', type: 'person', name: 'Ada' };

describe('a card number', () => {
  it.each([
    ['in a text member', { ...valid, name: VISA }, 'name'],
    ['within a sentence', { ...valid, name: `my card is 4242 4242 4242 4242, exp 12/27` }, 'name'],
    ['written with dashes', { ...valid, name: '4242-4242-4242-4242' }, 'name'],
    ['as a JSON number', { ...valid, metadata: { card: Number(VISA) } }, 'metadata.card'],
    ['deep in metadata', { ...valid, metadata: { order: [{ note: [`pan:${VISA}`] }] } }, 'metadata.order.0.note.0'],
    ['in a member that does not exist', { ...valid, card_number: VISA }, 'card_number'],
    ['as a member name', { ...valid, metadata: { [VISA]: true } }, 'metadata'],
    ['behind escapes of JSON', `{"external_ref":"r","type":"person","name":"\\u0034242424242424242"}`, 'name'],
  ])('%s is refused by the name of the member, kept nowhere and not repeated', async (_, body, path) => {
    const answer = await t.api('POST', '/v1/identities/principals', body);
    expect(answer).toMatchObject({ status: 400, body: { code: 'invalid_request', errors: [{ path }] } });
    expect(JSON.stringify(answer)).not.toContain('4242424242');
    expect(await t.rowCounts()).toEqual(before);
  });

  it('in a query or a path is refused, and the path is not repeated', async () => {
    const query = await t.api('GET', `/v1/agents?cursor=${VISA}`);
    expect(query).toMatchObject({ status: 400, body: { errors: [{ path: 'query.cursor' }] } });
    for (const path of [`/v1/agents/${VISA}`, '/v1/agents/4242%204242%204242%204242']) {
      const answer = await t.api('GET', path);
      expect(answer).toMatchObject({ status: 400, body: { errors: [{ path: 'id' }], instance: '' } });
      expect(JSON.stringify(answer.body)).not.toContain('4242');
    }
  });

  it('in X-Request-Id, which is logged, is replaced', async () => {
    const answer = await t.api('GET', '/v1/agents', undefined, { 'x-request-id': VISA });
    expect(answer.headers['x-request-id']).toMatch(/^req_/);
    const kept = await t.api('GET', '/v1/agents', undefined, { 'x-request-id': '4242424242424241' });
    expect(kept.headers['x-request-id']).toBe('4242424242424241');
  });

  it.each(CARDS)('%s is found alone and within a text, whatever separates its digits', (card) => {
    const grouped = card.replaceAll(/(.{4})(?=.)/g, '$1 ');
    for (const text of [card, grouped, grouped.replaceAll(' ', '-'), `no. ${card}.`, `(${grouped}) 11/30`]) {
      expect([text, findCardNumber({ text })]).toEqual([text, 'text']);
      expect(mayHoldCardNumber(JSON.stringify({ text }))).toBe(true);
    }
  });

  it('is not what differs from one in a single digit', () => {
    for (const card of CARDS) {
      const last = (Number(card.at(-1)) + 1) % 10;
      expect(findCardNumber(`${card.slice(0, -1)}${last}`)).toBeUndefined();
    }
  });
});

describe('what is no card number', () => {
  it.each([
    ['milliseconds since 1970', 1_770_000_000_000],
    ['a date with a running number', '20261123000000001'],
    ['an amount', '9007199254740.91'],
    ['a telephone number', '+4242424242424242'],
    ['an IBAN', 'DE4242424242424242424'],
    ['more digits than a card has', '42424242424242424242424242'],
    ['an id that holds one', 'order4242424242424242x'],
    ['a UUID of digits', '42424242-4242-4242-8242-424242424242'],
  ])('%s passes', (_, value) => expect(findCardNumber({ value })).toBeUndefined());

  it('any UUID passes', () => {
    const passes = property(uuid(), (id) => findCardNumber({ id, text: `ref ${id} of 1` }) === undefined);
    expect(check(passes)).toMatchObject({ failed: false });
    expect(findCardNumber({ id: randomUUID() })).toBeUndefined();
  });

  it('any amount of up to eleven digits with decimals passes', () => {
    const minor = bigInt(0n, 99_999_999_999n);
    const passes = property(minor, (amount) => findCardNumber({ amount: Number(amount) / 100 }) === undefined);
    expect(check(passes)).toMatchObject({ failed: false });
  });
});
