import type { Action } from './vocabulary.ts';

export type EventSeverity = 'low' | 'medium' | 'high' | 'critical';

/** What an agent may do with money, as it was registered. US dollars, major units. */
export interface FinancialScope {
  max_single_trade_usd: number;
  daily_limit_usd: number;
  permitted_instruments: string[];
  permitted_venues: string[];
  leverage_permitted: boolean;
  max_leverage_ratio?: number;
}

/** Members of `details` that count. Everything else in there is kept and means nothing. */
export interface KnownDetails {
  failed: boolean;
  denied: boolean;
  severity?: EventSeverity;
  /** Of the reporter, 0 to 1. */
  reportedScore?: number;
  /** US dollars. */
  amountUsd?: number;
  instrument?: string;
  venue?: string;
  leverage?: number;
  sensitive: boolean;
  records?: number;
  merchantRef?: string;
}

const DENIED = new Set(['denied', 'unauthorized', 'forbidden', 'rejected', 'blocked']);
const FAILED = new Set(['failure', 'failed', 'error', 'timeout', ...DENIED]);
const SENSITIVE = new Set(['pii', 'personal', 'confidential', 'secret', 'restricted', 'sensitive']);
const SEVERITIES: readonly EventSeverity[] = ['low', 'medium', 'high', 'critical'];

/**
 * Reads what counts out of free-form details. A member of another type than expected is as if it were not there: details
 * are the caller's own, and nothing in them makes an event unacceptable.
 */
export function readDetails(details: Readonly<Record<string, unknown>>, action: Action): KnownDetails {
  const word = (...names: string[]) => names.map((name) => details[name]).find((one) => typeof one === 'string');
  const amount = (...names: string[]) =>
    names.map((name) => details[name]).find((one): one is number => typeof one === 'number' && Number.isFinite(one));
  const outcome = word('outcome', 'status', 'result')?.toLowerCase() ?? '';
  const severity = word('severity')?.toLowerCase();
  const reported = amount('risk_score', 'riskScore', 'anomaly_score');
  const currency = word('currency')?.toUpperCase();
  return {
    failed: action.failed === true || FAILED.has(outcome) || details['success'] === false,
    denied: action.outOfBounds === true || DENIED.has(outcome),
    severity: SEVERITIES.find((one) => one === severity),
    reportedScore: reported === undefined || reported < 0 || reported > 1 ? undefined : reported,
    // An amount without a currency counts as dollars: leaving the currency out must not be the better answer.
    amountUsd: amount('amount_usd') ?? (currency === undefined || currency === 'USD' ? amount('amount') : undefined),
    instrument: word('instrument'),
    venue: word('venue'),
    leverage: amount('leverage', 'leverage_ratio'),
    sensitive:
      details['sensitive'] === true ||
      SENSITIVE.has(word('classification', 'sensitivity', 'data_class')?.toLowerCase() ?? ''),
    records: amount('records', 'record_count', 'rows'),
    merchantRef: word('merchant_ref')?.slice(0, 255) || undefined,
  };
}
