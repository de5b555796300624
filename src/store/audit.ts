export {
  anchoredSize,
  findAuditEntry,
  findLatestDecision,
  listAudit,
  trailEntry,
  type AuditRow,
} from './audit-entries.ts';
export { verifyAudit, type SealingKeys } from './audit-verify.ts';
