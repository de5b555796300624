export { agentWatch } from './agent-watch.ts';
export { assessmentReview } from './assessment-review.ts';
export { auditSealer } from './audit-sealer.ts';
export { behaviourCompactor } from './behaviour-compactor.ts';
export { crlRefresh } from './crl-refresh.ts';
export { executionLifecycle } from './execution-lifecycle.ts';
export { policyBacktest } from './policy-backtest.ts';
export { refund } from './refund.ts';
export { freeze, revocation } from './stop.ts';
