import type { JsonObject } from '../sd-jwt/encoding.ts';
import type { Hop } from './chain.ts';
import { checkTimes } from './clock.ts';
import type { VerifyMandateInput } from './input.ts';
import type { Checklist, MandateCode } from './verdict.ts';

/** Times of every hop, of the mandate it carries, and of the key binding. */
export function checkAllTimes(
  hops: readonly Hop[],
  binding: JsonObject | undefined,
  now: number,
  checks: Checklist,
): void {
  hops.forEach(({ claims, mandate }, index) => {
    checkTimes(claims, now, checks, index);
    if (mandate !== undefined && mandate !== claims) checkTimes(mandate, now, checks, index);
  });
  if (binding !== undefined) checkTimes(binding, now, checks);
}

/** Whom the mandate is presented to and for which request: `aud` and `nonce` of the last hop or of the key binding. */
export function checkPresentation(
  hops: readonly Hop[],
  binding: JsonObject | undefined,
  input: VerifyMandateInput,
  checks: Checklist,
): void {
  const claims = binding ?? hops.at(-1)!.claims;
  if (hops.length > 1 || binding !== undefined) {
    const complete = isFilled(claims['aud']) && isFilled(claims['nonce']) && typeof claims['iat'] === 'number';
    checks.note(complete, 'malformed', 'the last hop must have iat, aud and nonce', hops.length - 1);
  }
  checkExpected(claims, input, checks);
}

/** `aud` and `nonce` where the caller says which it expects. */
export function checkExpected(claims: JsonObject, input: VerifyMandateInput, checks: Checklist): void {
  const expected = [
    ['aud', 'wrong_audience'],
    ['nonce', 'wrong_nonce'],
  ] as const satisfies [string, MandateCode][];
  for (const [name, code] of expected) {
    if (input[name] === undefined) checks.notChecked(name);
    else checks.note(claims[name] === input[name], code, `${name} must be the one that was expected`);
  }
}

function isFilled(value: unknown): boolean {
  return typeof value === 'string' && value !== '';
}
