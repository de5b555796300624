export { auditSealer } from './audit-sealer.ts';
export { executionLifecycle } from './execution-lifecycle.ts';
export { policyBacktest } from './policy-backtest.ts';
export { refund } from './refund.ts';
export { freeze, revocation } from './stop.ts';
export { webhookEndpoint } from './webhook-endpoint.ts';
