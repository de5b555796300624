export { anchoredSize, findAuditEntry, listAudit, trailEntry, type AuditPage, type AuditRow } from './audit-entries.ts';
export { verifyAudit, type ChainVerdict, type SealingKey } from './audit-verify.ts';
