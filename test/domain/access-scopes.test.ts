import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ACTING_SCOPES, covers, inCommon, SCOPES } from '../../src/domain/access-scopes.ts';

const lists = fc.uniqueArray(fc.constantFrom(...SCOPES), { maxLength: 6 });

describe('what two lists of scopes have in common', () => {
  it('covers exactly what both cover', () => {
    fc.assert(
      fc.property(lists, lists, fc.constantFrom(...SCOPES), (one, other, asked) => {
        expect(covers(inCommon(one, other), asked)).toBe(covers(one, asked) && covers(other, asked));
      }),
    );
  });
});

describe('the scopes of a token of a delegation', () => {
  it('are scopes, and none of them makes or gives anything', () => {
    expect(ACTING_SCOPES.every((scope) => SCOPES.includes(scope))).toBe(true);
    expect(ACTING_SCOPES.filter((scope) => /^(admin|keys|identities|policy|agents)/.test(scope))).toEqual([]);
  });
});
