import { domainToASCII, domainToUnicode } from 'node:url';

/** Letters that no decomposition takes apart. */
const LETTERS: Readonly<Record<string, string>> = {
  ß: 'ss',
  æ: 'ae',
  œ: 'oe',
  ø: 'o',
  ł: 'l',
  đ: 'd',
  ð: 'd',
  þ: 'th',
  ı: 'i',
  ħ: 'h',
  ŧ: 't',
};

/**
 * Characters that look like a Latin letter, after Unicode Technical Standard #39: Cyrillic, Greek, Armenian and digits.
 * The whole table of the standard has six thousand pairs, nearly all of scripts in which no Latin name is written.
 */
const LOOKALIKES: Readonly<Record<string, string>> = {
  ...pairs('авеёкмнорстухіјѕԁһӏԛԝґьзб', 'abeekmhopctyxijsdhlqwrbeb'),
  ...pairs('αβγεηικνορτυχωϲϳ', 'abyenikvoptuxwcj'),
  ...pairs('օսոհցզ', 'ounhgq'),
  ...pairs('ɑɡɩʋʏᴀʙᴄᴅᴇꜰɢʜᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡᴢ', 'agivyabcdefghjklmnoprstuvwz'),
  ...pairs('0135|!$@', 'oleslisa'),
};

/** Words that say what a company is and not which. */
const LEGAL_FORMS = new Set(
  (
    'ab ag aps as asa bv co company corp corporation gmbh inc incorporated kft kg kgaa limited llc llp lp ltd mbh nv oao ' +
    'oo ooo oy oyj pao plc pte pty sa sarl sas se sl spa spzoo srl sro ug zao'
  ).split(' '),
);

/**
 * A name as it is compared: width, case, diacritics and punctuation do not count. `Société  Générale` and
 * `SOCIETE-GENERALE` are the same name.
 */
export function foldName(name: string): string {
  return withoutMarks(name)
    .replaceAll(/[^\p{L}\p{N}\p{S}!@]+/gu, ' ')
    .trim();
}

/**
 * What a name looks like: lookalikes are taken for the letters that they imitate, legal forms are left out, and the
 * order of words does not count. Two names may look the same without being the same.
 */
export function skeletonOfName(name: string): string {
  const words = lookalike(foldName(name)).split(' ');
  const telling = words.filter((word) => !LEGAL_FORMS.has(word));
  return (telling.length > 0 ? telling : words).sort().join(' ');
}

/** An account number, IBAN or wallet: written with or without gaps, in capitals or not. */
export function foldAccount(account: string): string {
  return account
    .normalize('NFKC')
    .toUpperCase()
    .replaceAll(/[^\p{L}\p{N}]/gu, '');
}

/** A domain in ASCII, and every domain above it that somebody can own; none when it is no domain. */
export function domainsOf(text: string): string[] {
  const host = text
    .trim()
    .replace(/^[a-z][a-z0-9+.-]*:\/\//i, '')
    .replace(/[/?#:].*$/, '')
    .replace(/\.$/, '');
  const ascii = host.includes('.') ? domainToASCII(host).toLowerCase() : '';
  const labels = ascii.split('.');
  if (ascii === '' || labels.some((label) => label === '')) return [];
  return labels.slice(0, -1).map((_, i) => labels.slice(i).join('.'));
}

export function skeletonOfDomain(domain: string): string {
  return lookalike(withoutMarks(domainToUnicode(domain))).replaceAll(/[-_]/g, '');
}

function withoutMarks(text: string): string {
  const plain = text
    .normalize('NFKC')
    .toLowerCase()
    .normalize('NFD')
    .replaceAll(/\p{M}|\p{Cf}/gu, '');
  return Array.from(plain, (letter) => LETTERS[letter] ?? letter).join('');
}

function lookalike(text: string): string {
  return (
    Array.from(text, (letter) => LOOKALIKES[letter] ?? letter)
      .join('')
      .replaceAll('rn', 'm')
      .replaceAll('vv', 'w')
      // In capitals I and l are the same stroke.
      .replaceAll('i', 'l')
      .replaceAll(/[^\p{L}\p{N} .]/gu, '')
  );
}

function pairs(from: string, to: string): Record<string, string> {
  const targets = Array.from(to);
  return Object.fromEntries(Array.from(from, (letter, i) => [letter, targets[i]!]));
}
