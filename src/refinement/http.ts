import { z } from 'zod';
import type { RefinementFacts } from '../domain/refinement.ts';
import type { RefinementPort, RefinementResult } from './port.ts';

/** More than this is no answer. */
const MAX_ANSWER_BYTES = 65_536;

const Answer = z.object({
  score: z.number().min(0).max(100),
  findings: z
    .array(z.object({ type: z.string().min(1).max(64), points: z.number(), detail: z.string().max(500) }))
    .max(50)
    .default([]),
  model: z.string().min(1).max(64),
});

export interface HttpRefinementOptions {
  url: string;
  /** Sent as `Authorization: Bearer`. */
  token?: string | undefined;
  /** Bound for the whole exchange, milliseconds. */
  timeoutMs: number;
}

/**
 * An evaluator outside: gets the facts as JSON, answers `{score, findings, model}`. No redirects are followed: they
 * would carry the facts to where nobody configured.
 */
export function httpRefinement({ url, token, timeoutMs }: HttpRefinementOptions): RefinementPort {
  return {
    async refine(subject, facts) {
      const response = await fetch(url, {
        method: 'POST',
        redirect: 'error',
        signal: AbortSignal.timeout(timeoutMs),
        headers: {
          'content-type': 'application/json',
          accept: 'application/json',
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        },
        body: JSON.stringify(bodyOf(subject, facts)),
      });
      if (!response.ok) {
        await response.body?.cancel();
        throw new Error(`the evaluator answered ${response.status}`);
      }
      return Answer.parse(JSON.parse(await bounded(response))) satisfies RefinementResult;
    },
  };
}

function bodyOf(subject: string, facts: RefinementFacts) {
  return {
    subject,
    at: new Date(facts.atMs).toISOString(),
    action: facts.action,
    merchant_ref: facts.merchantRef,
    amount_minor: facts.amountMinor,
    currency: facts.currency,
    earlier: facts.earlier.map(({ atMs, action, merchantRef, amountMinor, currency }) => ({
      at: new Date(atMs).toISOString(),
      action,
      merchant_ref: merchantRef,
      amount_minor: amountMinor,
      currency,
    })),
    merchant_amounts_minor: facts.merchantAmounts,
  };
}

async function bounded(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength;
    if (size > MAX_ANSWER_BYTES) throw new Error('the evaluator’s answer is too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
