import { randomBytes } from 'node:crypto';
import { Webhook } from 'standardwebhooks';
import type { SignedEventBody } from '../../api/events/signed-event.ts';

export interface Forwarder {
  /** Signs what is forwarded; made for this run. */
  secret: string;
  /** @returns what came of it, in words */
  send(event: SignedEventBody): Promise<string>;
}

/** Forwards events as notifications, with the body and the Standard Webhooks headers that an endpoint would get. */
export function createForwarder(url: string): Forwarder {
  const secret = `whsec_${randomBytes(32).toString('base64')}`;
  const webhook = new Webhook(secret);
  return {
    secret,
    async send({ id, type, occurred_at, subject, sequence, data }) {
      const at = new Date();
      const body = JSON.stringify({ event: type, type, id, timestamp: occurred_at, subject, sequence, data });
      try {
        const response = await fetch(url, {
          method: 'POST',
          redirect: 'manual',
          signal: AbortSignal.timeout(10_000),
          headers: {
            'content-type': 'application/json',
            'webhook-id': id,
            'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
            'webhook-signature': webhook.sign(id, at, body),
          },
          body,
        });
        await response.body?.cancel();
        return String(response.status);
      } catch (error) {
        return `no answer: ${(error as { cause?: Error }).cause?.message ?? (error as Error).message}`;
      }
    },
  };
}
