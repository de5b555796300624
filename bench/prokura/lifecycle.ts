import { randomUUID } from 'node:crypto';
import { post } from '../http-client.ts';
import type { Lifecycle } from '../load.ts';
import type { Organization } from './seed.ts';

/** What every target is asked for. */
export const INTENT = { amount: 12.4, currency: 'USD', merchant_ref: 'mrc_bench', channel: 'api' };
const CONTEXT = { session_id: 'sess_bench', device_trust: 'verified', risk_signals: ['velocity_ok', 'geo_ok'] };
const METHOD = { type: 'token', token: 'tok_approve' };

/** One lifecycle through the published API: authorize, pay, capture. Agents take turns. */
export function prokuraLifecycle(url: string, organization: Organization): Lifecycle {
  const { orgId, apiKey, principalId, agentIds } = organization;
  const at = (path: string) => new URL(path, url);
  const [authorize, pay, capture] = [
    at('/v1/execution/authorize'),
    at('/v1/payments/authorize'),
    at('/v1/payments/capture'),
  ];
  let turn = 0;
  return async (timed) => {
    const headers = () => ({
      authorization: `Bearer ${apiKey}`,
      'x-kachyng-org': orgId,
      'idempotency-key': randomUUID(),
    });
    const agent_id = agentIds[turn++ % agentIds.length]!;
    const intent = { agent_id, principal_id: principalId, intent: INTENT, context: CONTEXT };
    const decided = await timed('authorize', () =>
      post<{ decision: string; execution_token: string }>(authorize, intent, headers()),
    );
    if (decided.decision !== 'approved') throw new Error(`decision ${decided.decision}`);
    const { execution_token } = decided;
    const paid = await timed('pay', () =>
      post<{ payment_id: string }>(pay, { execution_token, payment_method: METHOD }, headers()),
    );
    await timed('capture', () => post(capture, { payment_id: paid.payment_id }, headers()));
  };
}
