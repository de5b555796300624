import { z } from 'zod';
import { NOTHING_FOUND, type Screening } from '../domain/screening.ts';
import type { PayeeScreening } from './port.ts';

const MOST_MATCHES = 20;
const MOST_BYTES = 65_536;

/** What an outside service answers. Members that are not known here are left alone. */
const Answer = z.object({
  status: z.enum(['clear', 'suspected', 'listed']),
  matches: z
    .array(
      z.object({
        list: z.string().max(200),
        by: z.enum(['name', 'account', 'domain', 'reference']).default('name'),
        entry: z.string().max(500),
      }),
    )
    .max(MOST_MATCHES)
    .default([]),
});

export interface ServiceOptions {
  url: string;
  /** Sent as a bearer token. */
  token?: string;
  timeoutMs: number;
}

/**
 * Asks an outside service: `POST {payee: {reference, name?, account?, domain?}}`, answered by
 * `{status: clear | suspected | listed, matches?: [{list, by, entry}]}`. Late, away, redirected or not understood is
 * `unavailable`; it is asked once, since the decision is waited for.
 */
export function screenByService({ url, token, timeoutMs }: ServiceOptions): PayeeScreening {
  return {
    async screen(payee) {
      try {
        const response = await fetch(url, {
          method: 'POST',
          redirect: 'error',
          signal: AbortSignal.timeout(timeoutMs),
          headers: { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) },
          body: JSON.stringify({ payee }),
        });
        if (response.status !== 200) return away(`the service answered ${response.status}`);
        const parsed = Answer.safeParse(JSON.parse(await bounded(response)));
        return parsed.success ? found(parsed.data) : away('the answer of the service is not understood');
      } catch (error) {
        return away((error as Error).name === 'TimeoutError' ? 'the service is late' : 'the service is away');
      }
    },
    close: () => undefined,
  };
}

function found({ status, matches }: z.output<typeof Answer>): Screening {
  if (status === 'clear') return NOTHING_FOUND;
  const named =
    matches.length > 0 ? matches : [{ list: 'screening service', by: 'reference' as const, entry: 'unnamed' }];
  return { ...NOTHING_FOUND, [status]: named };
}

function away(why: string): Screening {
  return { ...NOTHING_FOUND, unavailable: why };
}

/** @throws Error beyond the bound, so that no answer fills the memory */
async function bounded(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength;
    if (size > MOST_BYTES) throw new Error('the answer is too long');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
