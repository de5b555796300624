/** What every route of the audit trail has in common. */
export const auditRoute = {
  method: 'get',
  tags: ['Audit'],
  scope: ['audit:read', 'assess:read'],
  idempotency: 'none',
  replay: 'none',
} as const;
