import type { Exchange } from './http-exchange.ts';
import type { ProcessorOutcome } from './port.ts';

type Failed = Extract<ProcessorOutcome, { status: 'failed' }>;

/** No answer came. Only where no connection stood is it certain that nothing was sent. */
export function withoutAnswer({ sent, code }: Extract<Exchange, { ok: false }>): ProcessorOutcome {
  if (sent) return { status: 'unknown', reason: code };
  return failed('not_sent', code, 'No connection to the processor; nothing was sent.');
}

/** The processor documents that it did not look at the request. */
export function notLookedAt(code: string): ProcessorOutcome {
  return failed('throttled', code, 'The processor did nothing; repeat later.');
}

export function failed(cls: Failed['class'], code: string, message: string): Failed {
  return { status: 'failed', class: cls, code, message };
}
