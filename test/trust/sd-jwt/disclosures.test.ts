import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { resolveDisclosures } from '../../../src/trust/sd-jwt/disclosures.ts';
import { digestOf, type JsonObject } from '../../../src/trust/sd-jwt/encoding.ts';
import { SdJwtFailure } from '../../../src/trust/sd-jwt/failure.ts';

const text = (...parts: unknown[]) => Buffer.from(JSON.stringify(parts)).toString('base64url');
const hash = (disclosure: string) => createHash('sha256').update(disclosure).digest('base64url');

function refusalOf(payload: JsonObject, disclosures: string[]): string {
  try {
    resolveDisclosures(payload, disclosures);
    return 'accepted';
  } catch (error) {
    return error instanceof SdJwtFailure ? error.code : String(error);
  }
}

describe('disclosures', () => {
  it('hash as RFC 9901 §4.2.3 prints it', () => {
    const printed = 'WyI2cU1RdlJMNWhhaiIsICJmYW1pbHlfbmFtZSIsICJNw7ZiaXVzIl0';
    expect(digestOf(printed, undefined)).toBe('uutlBuYeMDyjLLTpf6Jxi7yNkEF35jdyWMn9U7b_RYY');
  });

  it('are put in their places: members, array elements, and nested ones', () => {
    const street = text('s1', 'street', 'Main');
    const address = text('s2', 'address', { _sd: [hash(street)], country: 'US' });
    const element = text('s3', 'FR');
    const payload = {
      _sd_alg: 'sha-256',
      _sd: [hash(address), 'decoy'],
      nationalities: ['DE', { '...': hash(element) }, { '...': 'kept-back' }],
      unknown: { kept: [null, { _sd_alg: 'kept below the top' }] },
    };
    expect(resolveDisclosures(payload, [element, address, street])).toEqual({
      claims: {
        address: { street: 'Main', country: 'US' },
        nationalities: ['DE', 'FR'],
        unknown: { kept: [null, { _sd_alg: 'kept below the top' }] },
      },
      withheld: ['nationalities', ''],
    });
  });

  it('are hashed by the algorithm that the payload names', () => {
    const one = text('s', 'a', 1);
    const digest = createHash('sha512').update(one).digest('base64url');
    expect(resolveDisclosures({ _sd_alg: 'sha-512', _sd: [digest] }, [one]).claims).toEqual({ a: 1 });
    for (const name of ['md5', 'sha-1', 'SHA-256', null, 256]) {
      expect(refusalOf({ _sd_alg: name, _sd: [digest] }, [one])).toBe('malformed');
      expect(refusalOf({ _sd_alg: name }, [])).toBe('malformed');
    }
  });

  it('keep a member called __proto__ a member', () => {
    const one = text('s', '__proto__', { admin: true });
    const { claims } = resolveDisclosures({ _sd: [hash(one)] }, [one]);
    expect(Object.keys(claims)).toEqual(['__proto__']);
    expect((claims as { admin?: boolean }).admin).toBeUndefined();
  });

  const member = text('s', 'a', 1);
  const element = text('s', 1);
  const nested = (depth: number): JsonObject => (depth === 0 ? {} : { a: nested(depth - 1) });
  const cases: [name: string, payload: JsonObject, disclosures: string[], code?: string][] = [
    ['that nothing refers to', { a: 1 }, [member]],
    ['given twice', { _sd: [hash(member)] }, [member, member]],
    ['whose digest occurs twice', { _sd: [hash(member)], b: { _sd: [hash(member)] } }, [member]],
    ['beside a decoy that occurs twice', { _sd: ['x', 'x'] }, []],
    ['that would overwrite a claim', { _sd: [hash(member)], a: 2 }, [member]],
    ['of a member in the place of an element', { list: [{ '...': hash(member) }] }, [member]],
    ['of an element in the place of a member', { _sd: [hash(element)] }, [element]],
    ['with a name that no claim may have', { _sd: [hash(text('s', '_sd', 1))] }, [text('s', '_sd', 1)]],
    ['with a name that is no text', { _sd: [hash(text('s', 5, 1))] }, [text('s', 5, 1)]],
    ['with a salt that is no text', { _sd: [hash(text(5, 'a', 1))] }, [text(5, 'a', 1)]],
    ['of one part', { _sd: [hash(text('s'))] }, [text('s')]],
    ['of four parts', { _sd: [hash(text('s', 'a', 1, 2))] }, [text('s', 'a', 1, 2)]],
    ['to an _sd that is no list', { _sd: hash(member) }, [member]],
    ['to a digest that is no text', { _sd: [5] }, []],
    ['to an element digest with company', { list: [{ '...': hash(element), b: 1 }] }, [element]],
    ['to an element digest outside a list', { a: { '...': hash(element) } }, [element]],
    ['nested without end', nested(40), []],
    ['that are not base64url', { _sd: [hash(`${member}=`)] }, [`${member}=`], 'malformed'],
    ['that are not JSON', { _sd: [hash('AAAA')] }, ['AAAA'], 'malformed'],
  ];

  it.each(cases)('%s are refused', (_name, payload, disclosures, code = 'invalid_disclosure') => {
    expect(refusalOf(payload, disclosures)).toBe(code);
  });

  it('would have been accepted otherwise', () => {
    expect(refusalOf({ _sd: [hash(member)], list: [{ '...': hash(element) }], ...nested(0) }, [member, element])).toBe(
      'accepted',
    );
    expect(refusalOf(nested(20), [])).toBe('accepted');
  });
});
