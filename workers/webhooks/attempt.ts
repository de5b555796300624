import { messageOf } from '../../src/activities/webhooks/message.ts';
import type { WebhookSender } from '../../src/activities/webhooks/send.ts';
import { openAddress } from '../../src/activities/webhooks/address.ts';
import { retryIn } from '../../src/domain/webhooks/retries.ts';
import type { AttemptRecord, DueDelivery } from '../../src/store/webhooks/relay.ts';
import type { Sealer } from '../../src/trust/seal.ts';
import type { Signer } from '../../src/trust/signing.ts';

export interface AttemptDeps {
  sender: WebhookSender;
  sealer: Sealer;
  signer: Signer;
  publicUrl: string;
}

export interface Attempted {
  record: AttemptRecord;
  /** Why it failed; absent when it did not. */
  failure?: string;
  /** The endpoint asked for a pause (429, 503). */
  askedForMs?: number;
  /** It answered 410. */
  gone: boolean;
}

/** Sends one delivery once and says what becomes of it. Never throws: what cannot even be sent is a failed attempt. */
export async function attempt(deps: AttemptDeps, due: DueDelivery): Promise<Attempted> {
  const at = new Date();
  const base = { id: due.id, at, url: due.url };
  try {
    const { secrets, headers } = openAddress(deps.sealer, due);
    const form = {
      format: due.format,
      jws: due.jws,
      tenant: { orgId: due.orgId, mode: due.mode },
      publicUrl: deps.publicUrl,
    };
    const message = await messageOf(due.event, form, { secrets, signer: deps.signer }, at);
    const { status, error, latencyMs, answer, retryAfter } = await deps.sender.send(due.url, message, headers);
    const told = { ...base, status, error, latencyMs, answer };
    if (status !== null && status >= 200 && status < 300) {
      return { record: { ...told, verdict: 'delivered', retryIn: null }, gone: false };
    }
    const gone = status === 410;
    const wait = gone ? null : retryIn(due.attempts + 1, Math.random(), retryAfter);
    const pauses = (status === 429 || status === 503) && retryAfter !== undefined;
    return {
      record: { ...told, verdict: wait === null ? 'dead' : 'pending', retryIn: wait },
      failure: error ?? `answered ${status}`,
      ...(pauses ? { askedForMs: retryAfter * 1_000 } : {}),
      gone,
    };
  } catch (error) {
    const failure = `cannot be prepared: ${error instanceof Error ? error.message : 'unknown'}`.slice(0, 500);
    const wait = retryIn(due.attempts + 1, Math.random());
    const verdict = wait === null ? ('dead' as const) : ('pending' as const);
    const record = { ...base, status: null, error: failure, latencyMs: 0, answer: null, verdict, retryIn: wait };
    return { record, failure, gone: false };
  }
}
