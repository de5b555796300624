import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ID_PREFIXES, parseId, random74FromHex, random74Of, toTypeId, uuidV7 } from '../../src/domain/ids.ts';

const someMs = fc.integer({ min: 0, max: 2 ** 48 - 1 });
const some74 = fc.bigInt({ min: 0n, max: (1n << 74n) - 1n });
const someUuid = fc.tuple(someMs, some74).map(([ms, random]) => uuidV7(ms, random));

describe('UUIDv7', () => {
  it('lays out the example of RFC 9562 appendix A.6', () => {
    const random = (0xcc3n << 62n) | 0x18c4dc0c0c07398fn;
    expect(uuidV7(0x017f22e279b0, random)).toBe('017f22e2-79b0-7cc3-98c4-dc0c0c07398f');
  });

  it('has version 7, variant 2, and gives its random bits back', () => {
    fc.assert(
      fc.property(someMs, some74, (ms, random) => {
        const uuid = uuidV7(ms, random);
        expect(uuid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
        expect(random74Of(uuid)).toBe(random);
      }),
    );
  });

  it('sorts as text in the order of time, in both forms', () => {
    fc.assert(
      fc.property(someMs, someMs, some74, some74, (a, b, randomA, randomB) => {
        fc.pre(a < b);
        const [early, late] = [uuidV7(a, randomA), uuidV7(b, randomB)];
        expect(early < late).toBe(true);
        expect(toTypeId('pay', early) < toTypeId('pay', late)).toBe(true);
      }),
    );
  });

  it('takes 74 bits from a hash, and no more', () => {
    expect(random74FromHex('f'.repeat(64))).toBe((1n << 74n) - 1n);
    expect(random74FromHex('0'.repeat(18) + '1' + 'f'.repeat(45))).toBe(1n);
  });
});

describe('TypeID', () => {
  it('prints the examples of the TypeID specification', () => {
    expect(toTypeId('org', '00000000-0000-0000-0000-000000000000')).toBe('org_00000000000000000000000000');
    expect(toTypeId('org', '00000000-0000-0000-0000-000000000020')).toBe('org_00000000000000000000000010');
    expect(toTypeId('org', 'ffffffff-ffff-ffff-ffff-ffffffffffff')).toBe('org_7zzzzzzzzzzzzzzzzzzzzzzzzz');
    expect(toTypeId('org', '0110c853-1d09-52d8-d73e-1194e95b5f19')).toBe('org_0123456789abcdefghjkmnpqrs');
  });

  it('reads back every id it printed, and the bare UUID in either case', () => {
    fc.assert(
      fc.property(someUuid, fc.constantFrom(...ID_PREFIXES), (uuid, prefix) => {
        expect(parseId(toTypeId(prefix, uuid), prefix)).toBe(uuid);
        expect(parseId(uuid.toUpperCase(), prefix)).toBe(uuid);
      }),
    );
  });

  it.each([
    ['another prefix', 'pay_00000000000000000000000010'],
    ['no prefix', '00000000000000000000000010'],
    ['more than 128 bits', 'org_80000000000000000000000000'],
    ['a letter that is not in the alphabet', 'org_0000000000000000000000001l'],
    ['capitals', 'org_0000000000000000000000001A'],
    ['a character too few', 'org_0000000000000000000000010'],
    ['a character too many', 'org_000000000000000000000000010'],
    ['a trailing newline', 'org_00000000000000000000000010\n'],
    ['nothing', ''],
  ])('refuses %s', (_, text) => {
    expect(parseId(text, 'org')).toBeUndefined();
  });
});
