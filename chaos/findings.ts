import { parseId } from '../src/domain/ids.ts';
import type { Fault, Finding } from './world.ts';

export function found(seen: string, faults: Fault[]): Finding {
  return { seen, faults };
}

export function group<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group) group.push(item);
    else groups.set(key, [item]);
  }
  return groups;
}

export function many<T>(groups: Map<string, T[]>): [string, T[]][] {
  return [...groups].filter(([, items]) => items.length > 1);
}

export function sum(rows: readonly { amount_minor: number }[]): number {
  return rows.reduce((total, row) => total + row.amount_minor, 0);
}

export function differs(what: string, ours: number, theirs: number): string | undefined {
  return ours === theirs ? undefined : `${what} ${ours}, should be ${theirs}`;
}

export function at(reference: string): Pick<Fault, 'payment'> {
  const payment = parseId(reference, 'pay');
  return payment === undefined ? {} : { payment };
}
