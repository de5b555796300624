/** Every event that is told: to webhook endpoints, and to readers of the event log. */
export const EVENT_TYPES = [
  'execution.decision',
  'execution.challenged',
  'execution.expired',
  'payment.authorized',
  'payment.captured',
  'payment.voided',
  'payment.refunded',
  'payment.failed',
  'payment.expiring',
  'payment.needs_review',
  'payment.settled',
  'payment.disputed',
  'delegation.created',
  'delegation.revoked',
  'assessment.completed',
  'assessment.denied',
  'assessment.flagged',
  'assessment.refined',
  'agent.trust_changed',
  'agent.halted',
  'certificate.issued',
  'certificate.revoked',
  'risk.alert',
] as const;

export type EventType = (typeof EVENT_TYPES)[number];
