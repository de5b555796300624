import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MANDATE_CODES } from '../../../src/trust/mandates/verdict.ts';
import { verifyMandate } from '../../../src/trust/mandates/verify.ts';
import {
  against,
  agentKey,
  b64,
  checkoutToken,
  closedPayment,
  delegate,
  openPayment,
  paymentToken,
  root,
  userKey,
} from './build.ts';

const TOKEN = paymentToken();
const somePlace = fc.nat({ max: TOKEN.length - 1 });
const someCharacter = fc.constantFrom(
  'A',
  'B',
  'x',
  'z',
  '0',
  '9',
  '-',
  '_',
  '~',
  '.',
  '=',
  '+',
  '/',
  ' ',
  '\n',
  '"',
  'é',
  '\0',
);
const KNOWN = new RegExp(`^(?:${MANDATE_CODES.join('|')}|constraint_(?:violated|missing):.+)$`);

async function expectRefused(token: unknown): Promise<void> {
  const verdict = await verifyMandate({ ...against, token: token as string });
  expect(verdict.valid).toBe(false);
  expect(verdict.code).toMatch(KNOWN);
  expect(verdict.charges).toEqual([]);
  expect(verdict.checks.some(({ ok, code }) => !ok && code === verdict.code)).toBe(true);
}

describe('whatever is done to a token', () => {
  it('with a character replaced, removed or added it is not valid', async () => {
    await fc.assert(
      fc.asyncProperty(somePlace, someCharacter, fc.constantFrom(0, 1, 3), async (at, character, removed) => {
        const changed = TOKEN.slice(0, at) + character + TOKEN.slice(at + removed);
        fc.pre(changed !== TOKEN);
        await expectRefused(changed);
      }),
      { numRuns: 400 },
    );
  });

  it('with parts left out, doubled or exchanged it is not valid', async () => {
    const parts = [...TOKEN.split('~'), ...checkoutToken.split('~')];
    await fc.assert(
      fc.asyncProperty(fc.array(fc.constantFrom(...parts), { maxLength: 8 }), async (chosen) => {
        const changed = chosen.join('~');
        fc.pre(changed !== TOKEN && changed !== checkoutToken);
        await expectRefused(changed);
      }),
      { numRuns: 300 },
    );
  });

  it('cut short it is not valid', async () => {
    for (let length = 0; length < TOKEN.length; length += 7) await expectRefused(TOKEN.slice(0, length));
  });
});

describe('whatever else is given for a token', () => {
  it('it is answered, and not valid', async () => {
    await fc.assert(fc.asyncProperty(fc.oneof(fc.string(), fc.json(), fc.anything()), expectRefused), { numRuns: 300 });
    for (const deep of ['['.repeat(100_000), '{"a":'.repeat(30_000), '~'.repeat(1000), `${'a.'.repeat(9)}~`]) {
      await expectRefused(deep);
    }
    await expectRefused(`{"contents":${'['.repeat(50_000)}${']'.repeat(50_000)}}`);
    await expectRefused('x'.repeat(300_000));
  });

  it('claims of every form, rightly signed, are answered too', async () => {
    const someValue = fc.jsonValue({ maxDepth: 3 });
    const member = fc.constantFrom(...Object.keys({ ...openPayment, ...closedPayment }), '_sd', '...', '__proto__');
    await fc.assert(
      fc.asyncProperty(fc.boolean(), member, someValue, async (atRoot, name, value) => {
        const open = atRoot ? { ...openPayment, [name]: value } : openPayment;
        const closed = atRoot ? closedPayment : { ...closedPayment, [name]: value };
        const { valid, code } = await verifyMandate({
          ...against,
          token: delegate(root(open, userKey), closed, agentKey),
        });
        // A member that is optional, unknown, or happens to be right may pass; everything else has a code.
        expect(valid ? 'malformed' : code).toMatch(KNOWN);
      }),
      { numRuns: 200 },
    );
    await fc.assert(
      fc.asyncProperty(someValue, someValue, async (header, payload) => {
        await expectRefused(`${b64(header)}.${b64(payload)}.${'A'.repeat(86)}~`);
      }),
    );
  });
});

describe('the token itself', () => {
  it('is valid', async () => {
    expect(await verifyMandate({ ...against, token: TOKEN })).toMatchObject({ valid: true, code: 'ok' });
  });
});
