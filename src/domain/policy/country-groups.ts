/**
 * Group memberships as of 2025-10-06. EU and EEA are the member states under their own codes: territories with a code
 * of their own (GP, RE, AX…) are listed by a policy where they are meant.
 */
const EU = 'AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK'.split(' ');
const EEA = [...EU, 'IS', 'LI', 'NO'];
/** Geographical scope of the SEPA schemes (EPC409-09): 41 countries, and the territories that have their own code. */
const SEPA = [
  ...EEA,
  ...'AD AL CH GB MC MD ME MK RS SM VA'.split(' '),
  ...'GG GI IM JE'.split(' '),
  ...'AX BL GF GP MF MQ PM RE YT'.split(' '),
];

/** Names that a geo rule may use in place of country codes. */
export const COUNTRY_GROUPS: Readonly<Record<string, readonly string[]>> = { EU, EEA, SEPA };

/** Whether `code` has the form of ISO 3166-1 alpha-2; groups are not countries. */
export function isCountryCode(code: string): boolean {
  return /^[A-Z]{2}$/.test(code) && !Object.hasOwn(COUNTRY_GROUPS, code) && !RESERVED.has(code);
}

/** Exceptionally reserved codes that a caller might send for a country listed under its real code (GB, GR). */
const RESERVED: ReadonlySet<string> = new Set(['UK', 'EL', 'EU', 'EZ', 'UN']);

/**
 * Whether `country` is one of `names`, which are codes or groups.
 * @throws RangeError for a name that is neither: a misspelt group must not silently match nothing
 */
export function countryIn(country: string, names: readonly string[]): boolean {
  return names.some((name) => {
    const group = Object.hasOwn(COUNTRY_GROUPS, name) ? COUNTRY_GROUPS[name] : undefined;
    if (group === undefined && !isCountryCode(name)) throw new RangeError(`${name} is not a country code or group`);
    return group ? group.includes(country) : name === country;
  });
}
