import type { Exchange, ExchangeRequest } from '../http-exchange.ts';
import { EFFECT_TYPES } from '../../domain/coverage.ts';
import type { EffectsOutcome, EffectsRequest, ListedEffect } from '../port.ts';
import { MID_HEADER } from './wire.ts';

/** `GET /v1/effects?since=`: what the account did, in the plain wire format, a page of it. */
export async function listEffects(
  send: (request: ExchangeRequest) => Promise<Exchange>,
  { account, since, cursor, timeoutMs }: EffectsRequest,
): Promise<EffectsOutcome> {
  const query = new URLSearchParams({ since, ...(cursor !== undefined && { cursor }) });
  const answer = await send({
    method: 'GET',
    baseUrl: account.baseUrl,
    path: `/${encodeURIComponent(account.processor)}/v1/effects?${query.toString()}`,
    headers: { authorization: `Bearer ${account.apiKey}`, [MID_HEADER]: account.mid },
    timeoutMs,
  });
  if (!answer.ok) return { status: 'unanswered', reason: answer.code };
  if (answer.status !== 200) return { status: 'unanswered', reason: `HTTP ${answer.status}` };
  return read(answer.text) ?? { status: 'unanswered', reason: 'unreadable answer' };
}

/** One unreadable effect makes the page unreadable: absence must not be concluded from it. */
function read(text: string): EffectsOutcome | undefined {
  let page: { data?: unknown; next_cursor?: unknown; complete_until?: unknown } | null;
  try {
    page = JSON.parse(text) as typeof page;
  } catch {
    return undefined;
  }
  const { data, next_cursor: next, complete_until: until } = page ?? {};
  if (!Array.isArray(data) || !isMoment(until) || (next !== null && typeof next !== 'string')) return undefined;
  const effects = data.map(effectOf);
  if (effects.some((effect) => effect === undefined)) return undefined;
  return { status: 'listed', effects: effects as ListedEffect[], until, ...(next !== null && { next }) };
}

function effectOf(value: unknown): ListedEffect | undefined {
  const effect = (value ?? {}) as Record<string, unknown>;
  const { id, type, amount_minor: amountMinor, currency, reference, operation_id: operationId, at } = effect;
  const processorReference = effect['processor_reference'];
  const sound =
    typeof id === 'string' &&
    (EFFECT_TYPES as readonly unknown[]).includes(type) &&
    Number.isSafeInteger(amountMinor) &&
    typeof currency === 'string' &&
    typeof processorReference === 'string' &&
    isMoment(at);
  if (!sound) return undefined;
  return {
    effectId: id,
    type: type as ListedEffect['type'],
    amountMinor: amountMinor as number,
    currency,
    processorReference,
    at,
    ...(typeof reference === 'string' && { reference }),
    ...(typeof operationId === 'string' && { operationId }),
  };
}

const isMoment = (value: unknown): value is string => typeof value === 'string' && !Number.isNaN(Date.parse(value));
