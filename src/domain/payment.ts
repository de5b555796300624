/** Payments: counters are the truth, transitions change them, status is derived. */
export { assertCounters, capturable, CounterError, NO_COUNTERS, refundable } from './payment/counters.ts';
export type { Counters } from './payment/counters.ts';
export { paymentStatus } from './payment/status.ts';
export { refuseResolution } from './payment/resolution.ts';
export type { ClosedBy, PaymentPhase } from './payment/status.ts';
export {
  failCapture,
  failRefund,
  holdDispute,
  loseDispute,
  openCounters,
  postCapture,
  postRefund,
  releaseRemainder,
  renewHold,
  reserveCapture,
  reserveRefund,
  reverseRefund,
  settle,
  winDispute,
} from './payment/transitions.ts';
