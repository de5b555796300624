export { auditSealer } from './audit-sealer.ts';
export { crlRefresh } from './crl-refresh.ts';
export { executionLifecycle } from './execution-lifecycle.ts';
export { policyBacktest } from './policy-backtest.ts';
export { refund } from './refund.ts';
export { freeze, revocation } from './stop.ts';
