import { parse } from 'csv-parse/sync';
import { combined, NOTHING_FOUND, type Payee, type Screening, type ScreeningMatch } from '../domain/screening.ts';
import { domainsOf, foldAccount, foldName, skeletonOfDomain, skeletonOfName } from './fold.ts';

const KINDS = ['name', 'account', 'domain', 'reference'] as const;
type Kind = (typeof KINDS)[number];
const VERDICTS = ['listed', 'suspected'] as const;
type Verdict = (typeof VERDICTS)[number];

const HEAD = ['kind', 'value', 'verdict', 'list'];
/** Shorter skeletons look like too much. */
const LEAST_SKELETON = 4;

interface Entry {
  verdict: Verdict;
  match: ScreeningMatch;
}

/** The list cannot be used; the message names file line and column. */
export class ListError extends Error {
  override readonly name = 'ListError';
}

/** Entries by what they are compared by, so that a look-up takes the same time however many there are. */
export interface PayeeList {
  size: number;
  screen(payee: Payee): Screening;
}

/**
 * Reads a list: CSV (RFC 4180, UTF-8) with the columns `kind,value,verdict,list` in this order; `verdict` is `listed`
 * unless it says `suspected`, `list` names where the entry is from.
 * @throws ListError for anything else: half a list is no list
 */
export function parsePayeeList(text: string): PayeeList {
  const rows = rowsOf(text);
  const [head, ...entries] = rows;
  if (!head || HEAD.some((name, i) => head.record[i] !== name) || head.record.length !== HEAD.length) {
    throw new ListError(`line 1: the columns must be ${HEAD.join(',')}`);
  }
  const exact = new Map<string, Entry[]>();
  const similar = new Map<string, Entry[]>();
  const add = (index: Map<string, Entry[]>, key: string, entry: Entry) =>
    void index.set(key, [...(index.get(key) ?? []), entry]);
  for (const { line, record } of entries) {
    const [kind, value, verdict, list] = record as [string, string, string, string];
    const entry = entryOf(line, kind, value, verdict, list);
    add(exact, exactKey(line, kind as Kind, value), entry);
    const skeleton = skeletonOf(kind as Kind, value);
    if (skeleton !== undefined) add(similar, skeleton, entry);
  }
  return {
    size: entries.length,
    screen(payee) {
      const keys = keysOf(payee);
      const same = keys.exact.flatMap((key) => exact.get(key) ?? []);
      const alike = keys.similar.flatMap((key) => similar.get(key) ?? []).filter((entry) => !same.includes(entry));
      return combined([
        { ...NOTHING_FOUND, listed: matchesOf(same.filter(({ verdict }) => verdict === 'listed')) },
        { ...NOTHING_FOUND, suspected: matchesOf(same.filter(({ verdict }) => verdict === 'suspected')) },
        { ...NOTHING_FOUND, suspected: matchesOf(alike) },
      ]);
    },
  };
}

function rowsOf(text: string): { line: number; record: string[] }[] {
  try {
    const options = { bom: true, trim: true, skip_empty_lines: true, comment: '#', comment_no_infix: true, info: true };
    return (parse(text, options) as unknown as { info: { lines: number }; record: string[] }[]).map(
      ({ info, record }) => ({ line: info.lines, record }),
    );
  } catch (error) {
    throw new ListError((error as Error).message, { cause: error });
  }
}

function entryOf(line: number, kind: string, value: string, verdict: string, list: string): Entry {
  if (!KINDS.includes(kind as Kind)) throw new ListError(`line ${line}: kind must be one of ${KINDS.join(', ')}`);
  if (value === '') throw new ListError(`line ${line}: value must not be empty`);
  if (verdict !== '' && !VERDICTS.includes(verdict as Verdict)) {
    throw new ListError(`line ${line}: verdict must be one of ${VERDICTS.join(', ')}`);
  }
  return {
    verdict: verdict === '' ? 'listed' : (verdict as Verdict),
    match: { list: list === '' ? 'payees' : list, by: kind as Kind, entry: value },
  };
}

function exactKey(line: number, kind: Kind, value: string): string {
  const folded = {
    name: foldName,
    account: foldAccount,
    domain: (text: string) => domainsOf(text)[0] ?? '',
    reference: asIs,
  };
  const key = folded[kind](value);
  if (key === '') throw new ListError(`line ${line}: ${value} is no ${kind}`);
  return `${kind}:${key}`;
}

function skeletonOf(kind: Kind, value: string): string | undefined {
  if (kind !== 'name' && kind !== 'domain') return undefined;
  const skeleton = kind === 'name' ? skeletonOfName(value) : skeletonOfDomain(domainsOf(value)[0]!);
  return skeleton.length < LEAST_SKELETON ? undefined : `${kind}:${skeleton}`;
}

/** A merchant reference may be a name, a domain or an account as well: callers write what they have. */
function keysOf({ reference, name, account, domain }: Payee): { exact: string[]; similar: string[] } {
  const names = [reference, name].flatMap((text) => text ?? []);
  const accounts = [reference, account].flatMap((text) => text ?? []);
  const domains = [reference, domain].flatMap((text) => (text === undefined ? [] : domainsOf(text)));
  return {
    exact: [
      `reference:${asIs(reference)}`,
      ...names.map((text) => `name:${foldName(text)}`),
      ...accounts.map((text) => `account:${foldAccount(text)}`),
      ...domains.map((text) => `domain:${text}`),
    ],
    similar: [
      ...names.map((text) => `name:${skeletonOfName(text)}`),
      ...domains.map((text) => `domain:${skeletonOfDomain(text)}`),
    ],
  };
}

function matchesOf(entries: Entry[]): ScreeningMatch[] {
  return [...new Set(entries)].map(({ match }) => match);
}

function asIs(text: string): string {
  return text.trim();
}
