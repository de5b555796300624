import type { Intent, IntentContext, Reason } from './types.ts';

/** Who is to be paid, as far as the caller says it. */
export interface Payee {
  reference: string;
  name?: string;
  account?: string;
  domain?: string;
}

export interface ScreeningMatch {
  /** Name of the list that the entry is on. */
  list: string;
  /** What of the payee matched. */
  by: 'name' | 'account' | 'domain' | 'reference';
  /** The entry as the list has it. */
  entry: string;
}

/** What screening found. Nothing in it allows anything: an empty one is no more than silence. */
export interface Screening {
  listed: ScreeningMatch[];
  suspected: ScreeningMatch[];
  /** Why somebody who was to be asked did not answer. */
  unavailable?: string;
}

export const NOTHING_FOUND: Screening = { listed: [], suspected: [] };

/** The payee of an intent, with what the circumstances add. */
export function payeeOf({ merchantRef }: Intent, { payee }: IntentContext): Payee {
  return { reference: merchantRef, ...payee };
}

/** All that was found by several: none takes back what another has found. */
export function combined(all: Screening[]): Screening {
  const unavailable = all.flatMap((one) => one.unavailable ?? []).join('; ');
  return {
    listed: all.flatMap(({ listed }) => listed),
    suspected: all.flatMap(({ suspected }) => suspected),
    ...(unavailable === '' ? {} : { unavailable }),
  };
}

/** Failures: a payee that is on a list is not paid, whatever was proved. */
export function screeningFailures(screening: Screening | undefined): Reason[] {
  return (screening?.listed ?? []).map((match) => reason('payee_listed', `The payee is listed: ${said(match)}`));
}

/** What an operator looks at: a payee that resembles an entry, and one that could not be screened. */
export function screeningNeeds(screening: Screening | undefined): Reason[] {
  if (!screening) return [];
  const suspected = screening.suspected.map((match) =>
    reason('payee_suspected', `The payee resembles an entry: ${said(match)}`),
  );
  if (screening.unavailable === undefined) return suspected;
  return [...suspected, reason('payee_unscreened', `The payee could not be screened: ${screening.unavailable}`)];
}

function said({ list, by, entry }: ScreeningMatch): string {
  return `${by} ${entry} (${list})`;
}

function reason(code: string, message: string): Reason {
  return { code, category: 'risk', message };
}
