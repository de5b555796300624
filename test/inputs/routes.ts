import type { InputStage } from './stage.ts';

/** A route of the execution and payment families, and a body that it takes. */
export interface WriteRoute {
  path: string;
  /** The body as it would be accepted: every refusal in the tables is this body with one thing wrong. */
  body: object;
  keyRequired: boolean;
  /** A scope that lets it through. */
  scope: string;
}

const UNUSED = '01980c2e-7d4a-7c3e-9f21-5b8a4d6e7f10';
export const UNKNOWN_ID = UNUSED;

/** @returns the writing routes by a short name */
export function writeRoutes({ cast, approved, challenged, payment }: InputStage) {
  const intent = {
    amount: 12.5,
    currency: 'EUR',
    merchant_ref: 'mrc_hotel',
    merchant_category: '7011',
    channel: 'chatpay',
    country: 'DE',
    description: 'Two nights',
    action: 'payment.authorize',
  };
  const context = { session_id: 'sess', device_trust: 'verified', risk_signals: ['velocity_ok'], country: 'DE' };
  const who = { agent_id: cast.agent_id, principal_id: cast.principal_id };
  const { payment_id } = payment;
  const routes = {
    authorize: {
      path: '/v1/execution/authorize',
      body: { ...who, delegation_id: cast.everyday, intent, context, challenge_ttl_seconds: 60 },
      keyRequired: true,
      scope: 'execution:write',
    },
    respond: {
      path: '/v1/execution/challenge/respond',
      body: { challenge_id: challenged.challenge!.challenge_id, method: 'totp', response: { code: '000000' } },
      keyRequired: true,
      scope: 'execution:write',
    },
    risk: {
      path: '/v1/execution/evaluate-risk',
      body: { ...who, intent, context },
      keyRequired: false,
      scope: 'execution:write',
    },
    simulate: {
      path: '/v1/execution/policies/simulate',
      body: { ...who, intent, context },
      keyRequired: false,
      scope: 'execution:write',
    },
    review: {
      path: `/v1/executions/${approved.execution_ref}/review`,
      body: { verdict: 'approve', note: 'Seen.' },
      keyRequired: false,
      scope: 'execution:write',
    },
    route: {
      path: '/v1/payments/route',
      body: {
        execution_ref: approved.execution_ref,
        payment_method: { type: 'token', token: 'tok_approve' },
        strategy: 'priority',
        dry_run: true,
      },
      keyRequired: false,
      scope: 'payments:write',
    },
    pay: {
      path: '/v1/payments/authorize',
      body: {
        execution_token: approved.execution_token,
        payment_method: { type: 'token', token: 'tok_approve', processor: 'alpha' },
        capture: 'manual',
        merchant_reference: 'order 1',
        amount: 100,
        currency: 'EUR',
        accept_partial: false,
        on_expiry: 'release',
      },
      keyRequired: true,
      scope: 'payments:write',
    },
    increment: {
      path: '/v1/payments/increment',
      body: { payment_id, amount: 10, currency: 'EUR', reason: 'more' },
      keyRequired: true,
      scope: 'payments:write',
    },
    capture: {
      path: '/v1/payments/capture',
      body: { payment_id, amount: 10, currency: 'EUR', final: false },
      keyRequired: true,
      scope: 'payments:write',
    },
    void: { path: '/v1/payments/void', body: { payment_id, reason: 'no' }, keyRequired: true, scope: 'payments:write' },
    refund: {
      path: '/v1/payments/refund',
      body: { payment_id, amount: 10, currency: 'EUR', reason: 'no' },
      keyRequired: true,
      scope: 'payments:refund',
    },
  } satisfies Record<string, WriteRoute>;
  return routes as Record<keyof typeof routes, WriteRoute>;
}

export type RouteName = keyof ReturnType<typeof writeRoutes>;
export const ROUTES: readonly RouteName[] = [
  'authorize',
  'respond',
  'risk',
  'simulate',
  'review',
  'route',
  'pay',
  'increment',
  'capture',
  'void',
  'refund',
];
