import { invalidRequest } from './invalid-request.ts';

/** Digits of a card number with the separators that people write between them, from the first digit to the last. */
const RUN = /\d(?:[ .-]?\d){12,}/g;
const MAY_HOLD_ONE = /\d(?:[ .-]?\d){12}|\\u00[23]/i;
const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/gi;
/**
 * First digits that payment cards have (ISO/IEC 7812-1): UATP and JCB (1800, 2131), Mir and Mastercard (22–27), 3 to 6,
 * RuPay (81, 82), Troy (9792). Without them every tenth 13-digit number would be refused, milliseconds since 1970
 * and dates with a running number among them.
 */
const ISSUED = /^(?:[3-6]|2[2-7]|1800|2131|8[12]|9792)/;
const MIN_DIGITS = 13;
const MAX_DIGITS = 19;

/** One look at a body as it came: `false` means that no card number is in it, whatever its members. */
export function mayHoldCardNumber(text: string): boolean {
  return MAY_HOLD_ONE.test(text);
}

/**
 * The path of the first member that holds a card number: 13 to 19 digits, with or without blanks, dots and dashes
 * between groups, that begin as issued cards do and pass the check digit of Luhn (ISO/IEC 7812-1 Annex B). Text around
 * it does not hide it. Never holds the number itself: a member that is *named* by one is told by its parent.
 *
 * What is not taken for one: UUIDs, digits that touch a letter (ids, IBANs, hashes), numbers behind a `+` (telephone).
 */
export function findCardNumber(value: unknown, path = ''): string | undefined {
  if (typeof value === 'string') return holdsCardNumber(value) ? path : undefined;
  if (typeof value === 'number') return value >= 1e12 && holdsCardNumber(String(value)) ? path : undefined;
  if (typeof value !== 'object' || value === null) return undefined;
  for (const [key, member] of Object.entries(value)) {
    if (key.length >= MIN_DIGITS && holdsCardNumber(key)) return path || 'body';
    const found = findCardNumber(member, path === '' ? key : `${path}.${key}`);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** @throws Problem `invalid_request` naming the member, when there is one */
export function refuseCardNumber(path: string | undefined): void {
  if (path === undefined) return;
  throw invalidRequest(path || 'body', "must not hold a card number; send a token of the processor's vault instead");
}

export function holdsCardNumber(text: string): boolean {
  if (text.length < MIN_DIGITS || !MAY_HOLD_ONE.test(text)) return false;
  const plain = text.replace(UUID, '#');
  for (const match of plain.matchAll(RUN)) {
    const before = plain[match.index - 1];
    const after = plain[match.index + match[0].length];
    if ((before !== undefined && /[\p{L}+]/u.test(before)) || (after !== undefined && /\p{L}/u.test(after))) continue;
    if (hasCardAmong(match[0].split(/[ .-]/))) return true;
  }
  return false;
}

/** Digits of other things may stand beside it, separated alike: every stretch of whole groups is looked at. */
function hasCardAmong(groups: string[]): boolean {
  for (let first = 0; first < groups.length; first++) {
    let digits = '';
    for (let last = first; last < groups.length && digits.length < MAX_DIGITS; last++) {
      digits += groups[last];
      if (digits.length >= MIN_DIGITS && digits.length <= MAX_DIGITS && ISSUED.test(digits) && luhn(digits))
        return true;
    }
  }
  return false;
}

function luhn(digits: string): boolean {
  let sum = 0;
  for (let i = 0; i < digits.length; i++) {
    const digit = digits.charCodeAt(digits.length - 1 - i) - 48;
    const doubled = i % 2 === 1 ? digit * 2 : digit;
    sum += doubled > 9 ? doubled - 9 : doubled;
  }
  return sum % 10 === 0;
}
