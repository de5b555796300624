import { reasonNamed } from '../../domain/certificates.ts';
import { DUTIES, LAWS, NOTICE, type SectionName } from '../../domain/compliance/duties.ts';
import { toTypeId } from '../../domain/ids.ts';
import { anchoredSize } from '../../store/audit.ts';
import { latestCheckpoint } from '../../store/audit-tree.ts';
import {
  auditEntryAt,
  reportAgents,
  reportBehaviour,
  reportCertificates,
  reportDecisions,
  reportDelegations,
  reportOverrides,
  trailInPeriod,
  type ReportScope,
} from '../../store/compliance.ts';
import type { Db } from '../../store/pool.ts';
import { auditLeaf } from '../../trust/audit-trail.ts';
import { parseNote, sealingKeys } from '../../trust/checkpoint.ts';
import { inclusionRanges } from '../../trust/merkle.ts';
import type { Signer } from '../../trust/signing.ts';
import { provePath } from '../audit/seal-routes.ts';
import type { Report, Section } from './report-body.ts';

/** Puts a report together out of what is recorded. Everything in it can be asked for elsewhere, row by row. */
export async function makeReport(
  db: Db,
  scope: ReportScope,
  { signer, subject, at }: { signer: Signer; subject: Report['subject']; at: Date },
): Promise<Report> {
  const { tenant } = scope;
  const agents = await reportAgents(db, scope);
  const certificates = await reportCertificates(db, scope);
  const delegations = await reportDelegations(db, scope);
  const decisions = await reportDecisions(db, scope);
  const behaviour = await reportBehaviour(db, scope);
  const overrides = await reportOverrides(db, scope);
  const proof = await proofOf(db, scope, signer);
  const agentOf = (id: string | null) => id && toTypeId('agt', id);
  const answers = (id: string | null) => (id ? toTypeId('prn', id) : toTypeId('org', tenant.orgId));
  return {
    format: 'prokura-compliance/1',
    notice: NOTICE,
    laws: { ...LAWS },
    subject,
    mode: tenant.mode,
    period: { from: scope.from.toISOString(), to: scope.to.toISOString() },
    generated_at: at.toISOString(),
    sections: [
      section(
        'identity',
        agents.counts,
        sumOf(agents.counts),
        agents.rows.map((row) => ({
          agent: agentOf(row.id),
          name: row.name,
          status: row.status,
          answers_for_it: row.principalId ? toTypeId('prn', row.principalId) : null,
          model_hash: row.modelHash,
          live_keys: row.liveKeys,
          registered_at: row.createdAt.toISOString(),
        })),
      ),
      section(
        'certificates',
        certificates.counts,
        certificates.counts['good in the period'] ?? 0,
        certificates.rows.map((row) => ({
          certificate: toTypeId('crt', row.id),
          agent: agentOf(row.agentId),
          serial_number: row.serialNumber,
          signed_by: row.keyRef,
          issued_at: row.issuedAt.toISOString(),
          expires_at: row.expiresAt.toISOString(),
          revoked_at: row.revokedAt?.toISOString() ?? null,
          reason_code: row.reasonCode === null ? null : reasonNamed(row.reasonCode),
          reason: row.reason,
        })),
      ),
      section(
        'delegations',
        delegations.counts,
        delegations.counts['live in the period'] ?? 0,
        delegations.rows.map((row) => ({
          delegation: toTypeId('del', row.id),
          agent: agentOf(row.agentId),
          granted_by: row.parentId ? toTypeId('del', row.parentId) : answers(row.principalId),
          status: row.status,
          granted_at: row.createdAt.toISOString(),
          expires_at: row.expiresAt.toISOString(),
          revoked_at: row.revokedAt?.toISOString() ?? null,
          reason: row.reason,
        })),
      ),
      section(
        'decisions',
        { ...decisions.counts, ...prefixed('reason: ', decisions.reasons) },
        decisions.rows.length,
        decisions.rows.map((row) => ({
          of: row.of,
          currency: row.currency,
          decision: row.decision,
          decisions: row.decisions,
          amount_minor: row.amountMinor,
        })),
      ),
      section(
        'events',
        {
          events: total(behaviour.map(({ events }) => events)),
          alerts: total(behaviour.map(({ alerts }) => alerts)),
          'high risk': total(behaviour.map(({ high }) => high)),
          failed: total(behaviour.map(({ failed }) => failed)),
        },
        behaviour.length,
        behaviour.map((row) => ({
          action_type: row.actionType,
          events: row.events,
          failed: row.failed,
          medium: row.medium,
          high: row.high,
          alerts: row.alerts,
          highest_risk_score: row.maxPoints / 100,
        })),
      ),
      section(
        'overrides',
        overrides.counts,
        sumOf(overrides.counts),
        overrides.rows.map((row) => ({
          at: row.at.toISOString(),
          what: wordsFor(row),
          by: row.actor,
          on: row.subject,
          reason: wordOf(row.body['reason'] ?? row.body['note']),
          entry_id: toTypeId('ae', row.id),
          sequence: row.seq,
        })),
      ),
      section('audit', { entries: proof.entries, anchored: proof.anchored }, 0, []),
    ],
    audit_proof: proof,
  };
}

function section(
  name: SectionName,
  summary: Record<string, number>,
  rowsTotal: number,
  rows: Section['rows'],
): Section {
  const { title, serves } = DUTIES[name];
  return {
    name,
    title,
    serves: serves.map((duty) => ({ ...duty })),
    summary,
    rows,
    rows_total: rowsTotal,
    truncated: rowsTotal > rows.length && rows.length > 0,
  };
}

/** The newest checkpoint, and that the last sealed entry of the period is in it: with the chain, so is all before it. */
async function proofOf(db: Db, scope: ReportScope, signer: Signer): Promise<Report['audit_proof']> {
  const { tenant } = scope;
  const anchoredTo = await anchoredSize(db, tenant);
  const { entries, first, last } = await trailInPeriod(db, scope);
  const checkpoint = await latestCheckpoint(db, tenant, [...sealingKeys(signer).keys()]);
  const seq = checkpoint && last !== null ? Math.min(last, checkpoint.size) : 0;
  const covered = checkpoint !== undefined && first !== null && seq >= first;
  const entry = covered ? await auditEntryAt(db, tenant, seq) : undefined;
  return {
    entries,
    first_sequence: first,
    last_sequence: last,
    anchored: first === null || last === null ? 0 : Math.max(0, Math.min(last, anchoredTo) - first + 1),
    checkpoint: checkpoint?.note ?? null,
    key_id: checkpoint?.kid ?? null,
    inclusion:
      checkpoint && entry
        ? {
            entry_id: toTypeId('ae', entry.id),
            sequence: seq,
            entry_hash: entry.entryHash,
            leaf_index: seq - 1,
            leaf_hash: auditLeaf(entry.entryHash).toString('base64'),
            tree_size: checkpoint.size,
            root_hash: parseNote(checkpoint.note)!.root.toString('base64'),
            hashes: await provePath(db, tenant, inclusionRanges(seq - 1, checkpoint.size)),
          }
        : null,
    how_to_check:
      'The checkpoint is a signed note (C2SP); its key is in /.well-known/jwks.json. GET /v1/audit/export and ' +
      '`prokura verify audit` check every entry of the trail against it, without this service.',
  };
}

const wordOf = (value: unknown) => (typeof value === 'string' ? value : '');
const total = (numbers: number[]) => numbers.reduce((sum, n) => sum + n, 0);
const sumOf = (counts: Record<string, number>) => total(Object.values(counts));

/** A decision that a person took, by its verdict; else what was done. */
function wordsFor({ type, body }: { type: string; body: Record<string, unknown> }): string {
  if (type === 'execution.decision') return `operator: ${wordOf(body['verdict'])}`;
  if (type === 'assessment.reviewed') return `reviewer: ${wordOf(body['decision'])}`;
  return type;
}

function prefixed(prefix: string, counts: Record<string, number>): Record<string, number> {
  return Object.fromEntries(Object.entries(counts).map(([name, n]) => [prefix + name, n]));
}
