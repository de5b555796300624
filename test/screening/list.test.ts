import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Payee } from '../../src/domain/screening.ts';
import { domainsOf, foldAccount, foldName, skeletonOfName } from '../../src/screening/fold.ts';
import { ListError, parsePayeeList } from '../../src/screening/list.ts';

const HEAD = 'kind,value,verdict,list';
const list = parsePayeeList(`${HEAD}
# Names of 2026
name,"Société Générale du Nord, SA",listed,national
name,Paypal Holdings,,
account,DE89 3704 0044 0532 0130 00,listed,fraud desk
domain,evil.example,listed,fraud desk
domain,münchen-shop.example,suspected,fraud desk
reference,mrc_casino,suspected,house
`);
const verdictOf = (payee: Partial<Payee>) => {
  const { listed, suspected } = list.screen({ reference: 'mrc_ordinary', ...payee });
  if (listed.length > 0) return 'listed';
  return suspected.length > 0 ? 'suspected' : 'clear';
};

describe('a list', () => {
  it.each<[string, Partial<Payee>]>([
    ['listed', { name: 'Société Générale du Nord, SA' }],
    ['listed', { name: 'SOCIETE  GENERALE  DU NORD SA' }],
    ['listed', { name: 'Socie\u0301te\u0301 Ge\u0301ne\u0301rale-du-Nord S\u200bA' }],
    ['listed', { name: 'Ｐａｙｐａｌ Holdings' }],
    ['suspected', { name: 'Societe Generale du Nord' }],
    ['suspected', { name: 'Nord du Generale Societe' }],
    ['suspected', { name: 'Рaураl Holdings' }],
    ['suspected', { name: 'PaypaI Holdings Ltd' }],
    ['suspected', { name: 'P4ypal H0ldings'.replace('4', 'а') }],
    ['clear', { name: 'Paypal' }],
    ['clear', { name: 'Nordwind GmbH' }],
    ['listed', { account: 'de89370400440532013000' }],
    ['listed', { account: 'DE89-3704-0044-0532-0130-00' }],
    ['clear', { account: 'DE89370400440532013001' }],
    ['listed', { domain: 'evil.example' }],
    ['listed', { domain: 'https://pay.EVIL.example./checkout?x=1' }],
    ['suspected', { domain: 'xn--mnchen-shop-thb.example' }],
    ['suspected', { domain: 'еvil.example' }],
    ['suspected', { domain: 'ev1l.example' }],
    ['clear', { domain: 'notevil.example' }],
    ['clear', { domain: 'evil.example.org' }],
    ['suspected', { reference: 'mrc_casino' }],
    ['clear', { reference: 'mrc_casino_2' }],
    ['listed', { reference: 'shop.evil.example' }],
    ['listed', { reference: 'Paypal Holdings' }],
  ])('says %s of %j', (verdict, payee) => {
    expect(verdictOf(payee)).toBe(verdict);
  });

  it('names the entry and where it is from', () => {
    expect(list.screen({ reference: 'x', domain: 'a.evil.example' })).toEqual({
      listed: [{ list: 'fraud desk', by: 'domain', entry: 'evil.example' }],
      suspected: [],
    });
  });

  it('finds whatever it has, however it is written', () => {
    const someName = fc
      .string({ minLength: 1, maxLength: 20 })
      .filter((name) => foldName(name) !== '' && name.trim() === name);
    const written = fc.constantFrom<(name: string) => string>(
      (name) => name,
      (name) => name.normalize('NFD'),
      (name) => ` ${name} `,
      (name) => `${name}.`,
    );
    fc.assert(
      fc.property(fc.uniqueArray(someName, { minLength: 1, maxLength: 5 }), written, (names, write) => {
        const rows = names.map((name) => `name,"${name.replaceAll('"', '""')}",listed,l`);
        const made = parsePayeeList([HEAD, ...rows].join('\n'));
        for (const name of names) expect(made.screen({ reference: 'r', name: write(name) }).listed).not.toEqual([]);
      }),
    );
  });

  it('never says less with an entry more', () => {
    const rows = [
      'name,Acme,suspected,a',
      'name,Acme,listed,b',
      'reference,acme,suspected,c',
      'domain,acme.example,listed,d',
    ];
    const payee = fc.record({
      reference: fc.constantFrom('acme', 'acme.example', 'x'),
      name: fc.constantFrom('ACME', 'Асme', 'Y'),
    });
    fc.assert(
      fc.property(fc.subarray(rows), fc.constantFrom(...rows), payee, (some, more, asked) => {
        const before = parsePayeeList([HEAD, ...some].join('\n')).screen(asked);
        const after = parsePayeeList([HEAD, ...some, more].join('\n')).screen(asked);
        expect(after.listed.length).toBeGreaterThanOrEqual(before.listed.length);
        expect(after.suspected.length).toBeGreaterThanOrEqual(before.suspected.length);
      }),
    );
  });

  it.each([
    ['', 'line 1'],
    ['value,kind,verdict,list\nx,name,,', 'line 1: the columns must be kind,value,verdict,list'],
    [`${HEAD}\nname,x`, 'line 2'],
    [`${HEAD}\nname,ok,,\nperson,x,,`, 'line 3: kind must be one of name, account, domain, reference'],
    [`${HEAD}\nname,,,`, 'line 2: value must not be empty'],
    [`${HEAD}\nname,x,maybe,`, 'line 2: verdict must be one of listed, suspected'],
    [`${HEAD}\ndomain,nowhere,,`, 'line 2: nowhere is no domain'],
    [`${HEAD}\nname,...,,`, 'line 2: ... is no name'],
    [`${HEAD}\nname,"open,,`, 'Quote'],
  ])('is refused whole: %j', (text, message) => {
    expect(() => parsePayeeList(text)).toThrow(ListError);
    expect(() => parsePayeeList(text)).toThrow(message);
  });
});

describe('folding', () => {
  it('takes any text without throwing, and is settled after once', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(foldAccount(foldAccount(text))).toBe(foldAccount(text));
        expect(skeletonOfName(text)).toBeTypeOf('string');
        expect(domainsOf(text)).toBeInstanceOf(Array);
        expect(list.screen({ reference: text, name: text, account: text, domain: text })).toBeTypeOf('object');
      }),
    );
  });
});
