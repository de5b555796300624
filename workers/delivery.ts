import { createHmac } from 'node:crypto';
import http from 'node:http';
import https from 'node:https';
import { useAgent } from 'request-filtering-agent';
import { Webhook } from 'standardwebhooks';
import { toTypeId } from '../src/domain/ids.ts';
import type { DueDelivery } from '../src/store/deliveries.ts';

/** Seconds before each further attempt (Standard Webhooks' schedule); after the last, the delivery is dead. */
export const RETRY_SECONDS = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400];
const TIMEOUT_MS = 10_000;

export type DeliveryOutcome = { status: number; error?: undefined } | { status: null; error: string };

/** The body of a notification: what is signed is exactly what is sent. */
export function notificationBody({ event }: DueDelivery): string {
  return JSON.stringify({
    event: event.type,
    type: event.type,
    id: toTypeId('evt', event.id),
    timestamp: new Date(event.occurred_at).toISOString(),
    subject: event.subject,
    sequence: event.sequence,
    data: event.data,
  });
}

/** Standard Webhooks headers (`v1`), and `X-Signature: sha256=` over the body. */
export function signedHeaders(id: string, body: string, secret: string, at: Date): Record<string, string> {
  const hmac = createHmac('sha256', Buffer.from(secret.replace(/^whsec_/, ''), 'base64'))
    .update(body)
    .digest('hex');
  return {
    'content-type': 'application/json',
    'user-agent': 'Prokura-Webhooks/1',
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
    'webhook-signature': new Webhook(secret).sign(id, at, body),
    'x-signature': `sha256=${hmac}`,
  };
}

/**
 * One attempt at one endpoint. Redirects are not followed; unless `allowPrivate`, addresses are checked after DNS
 * resolution and private ranges refused. The answer's body is thrown away.
 */
export async function deliver(due: DueDelivery, secret: string, allowPrivate: boolean): Promise<DeliveryOutcome> {
  const body = notificationBody(due);
  const headers = signedHeaders(toTypeId('evt', due.event.id), body, secret, new Date());
  const { protocol } = new URL(due.url);
  const request = protocol === 'https:' ? https.request : http.request;
  return new Promise((resolve) => {
    const req = request(
      due.url,
      {
        method: 'POST',
        headers: { ...headers, 'content-length': Buffer.byteLength(body) },
        signal: AbortSignal.timeout(TIMEOUT_MS),
        ...(allowPrivate ? {} : { agent: useAgent(due.url) }),
      },
      (res) => {
        res.on('error', () => undefined).resume();
        resolve({ status: res.statusCode! });
      },
    );
    req.on('error', (error) => resolve({ status: null, error: error.message }));
    req.end(body);
  });
}

/** When to try again after so many attempts, with up to 10 % jitter; `null` when no more. */
export function retryAfter(attempts: number, random: number): number | null {
  const base = RETRY_SECONDS[attempts - 1];
  return base === undefined ? null : base * (1 + random * 0.1);
}
