import { describe, expect, it } from 'vitest';
import { PAYMENT_CONSTRAINTS } from '../../src/domain/mandates/payment-constraints.ts';
import { CLOCK_SKEW } from '../../src/trust/mandates/clock.ts';
import { MANDATE_CODES } from '../../src/trust/mandates/verdict.ts';
import { MAX_HOPS, MAX_TOKEN_BYTES } from '../../src/trust/sd-jwt/parse.ts';
import { codeOf, pageOf, rowsOf, sectionOf } from './tables.ts';

const page = pageOf('docs/mandates.md');
const codesIn = (text: string, heading: string) => rowsOf(sectionOf(text, heading)).map(([cell]) => codeOf(cell!));
const CODES = [...MANDATE_CODES, 'constraint_violated:<name>', 'constraint_missing:<name>'];

describe('docs/mandates.md', () => {
  it('lists exactly the codes that a verdict can have', () => {
    expect(codesIn(page, '## Codes')).toEqual(CODES);
  });

  it('would fail with a code left out', () => {
    expect(codesIn(page.replace(/^\| `already_used` .*\n/m, ''), '## Codes')).not.toEqual(CODES);
  });

  it('lists every constraint that is evaluated', () => {
    const others = ['payment.reference', 'checkout.allowed_merchants', 'checkout.line_items'];
    expect(codesIn(page, '## Constraints').sort()).toEqual([...PAYMENT_CONSTRAINTS.keys(), ...others].sort());
  });

  it('names the bounds that hold', () => {
    expect(page).toContain(`At most ${MAX_TOKEN_BYTES / 1024} KiB and ${MAX_HOPS} hops`);
    expect(page).toContain(`with ${CLOCK_SKEW} s of tolerance`);
  });
});
