export { anchoredSize, findAuditEntry, listAudit, trailEntry, type AuditRow } from './audit-entries.ts';
export { verifyAudit, type SealingKey } from './audit-verify.ts';
