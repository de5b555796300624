import { REVOCATION_REASONS, reasonNamed, type RevocationReason } from '../../domain/certificates.ts';
import { toTypeId } from '../../domain/ids.ts';
import type { Tenant } from '../../domain/types.ts';
import { newId } from '../../trust/new-id.ts';
import { suspendForCertificate } from '../agents.ts';
import { recordFact, type FactEvent } from '../facts.ts';
import type { Db } from '../pool.ts';
import { revokeDelegations } from '../revocation.ts';
import { findStopOn, insertStop, type StopRow } from '../stops/begin.ts';
import { findActiveCertificate, findCertificate, revokeCertificateRow, type CertificateRow } from './rows.ts';

export interface CertificateRevocation {
  tenant: Tenant;
  reason: string;
  reasonCode: RevocationReason;
  actor: string;
  at: Date;
}

/**
 * Revokes a certificate and what rests on it: the agent is suspended, the delegations that it holds and has passed on
 * are withdrawn, and a stop is left whose workflow tells the open executions, as for any revocation. In the caller's
 * transaction, which has called `standAlone` first; afterwards `closeUnder` and `drive` as for other stops.
 * @returns `undefined` when the certificate is not active any more, or the tenant has none such
 */
export async function beginCertificateRevocation(
  db: Db,
  certificateId: string,
  order: CertificateRevocation,
): Promise<{ certificate: CertificateRow; stop: StopRow } | undefined> {
  const { tenant, reason, actor, at } = order;
  const before = await findCertificate(db, tenant, certificateId);
  if (!before) return undefined;
  // The agent before its certificate, as whoever certifies it.
  const suspended = await suspendForCertificate(db, tenant, before.agentId);
  const certificate = await revokeCertificateRow(db, tenant, certificateId, {
    at,
    reason,
    code: REVOCATION_REASONS[order.reasonCode],
  });
  if (!certificate) return undefined;
  const delegations = await revokeDelegations(db, tenant, 'agent', certificate.agentId, { at, reason });
  const subject = toTypeId('crt', certificate.id);
  const agent = toTypeId('agt', certificate.agentId);
  const withdrawn = [subject, ...delegations.map(({ id }) => toTypeId('del', id))];
  const stop = await insertStop(db, tenant, {
    id: newId(),
    kind: 'revocation',
    targetKind: 'certificate',
    target: certificate.id,
    reason,
    actor,
    withdrawn,
    voidOpen: false,
    at,
  });
  const common = { org_id: toTypeId('org', tenant.orgId), reason, timestamp: at.toISOString() };
  await recordFact(db, {
    tenant,
    at,
    type: 'certificate.revoked',
    actor,
    subject,
    body: {
      serial_number: certificate.serialNumber,
      agent_id: agent,
      reason,
      reason_code: order.reasonCode,
      agent_suspended: suspended,
      revoked: withdrawn,
    },
    events: [
      revokedEvent(order, certificate),
      ...delegations.map((row) => ({
        type: 'delegation.revoked',
        subject: toTypeId('del', row.id),
        agentId: row.agentId,
        data: { ...common, delegation_id: toTypeId('del', row.id), agent_id: toTypeId('agt', row.agentId) },
      })),
      ...(suspended
        ? [
            {
              type: 'agent.halted',
              subject: agent,
              agentId: certificate.agentId,
              data: { ...common, agent_id: agent, status: 'suspended' },
            },
          ]
        : []),
    ],
  });
  return { certificate, stop };
}

/** The stop that the revocation of a certificate has left. */
export function stopOfCertificate(db: Db, tenant: Tenant, certificateId: string): Promise<StopRow | undefined> {
  return findStopOn(db, tenant, { kind: 'revocation', targetKind: 'certificate', target: certificateId });
}

/**
 * Revokes the certificate of an agent that is being stopped for another reason. Whoever does that calls
 * `recordEndOf` afterwards, at the place of the head of the audit trail in the order of locks.
 * @returns `undefined` when the agent has no active one
 */
export async function revokeCertificateOf(
  db: Db,
  agentId: string,
  order: CertificateRevocation,
): Promise<CertificateRow | undefined> {
  const { tenant, at, reason } = order;
  const active = await findActiveCertificate(db, tenant, agentId, at);
  const code = REVOCATION_REASONS[order.reasonCode];
  return active && revokeCertificateRow(db, tenant, active.id, { at, reason, code });
}

/**
 * The end of a certificate that came with something else, as an entry and an event of its own: whoever asks the trail
 * for `certificate.revoked` finds every one.
 * @param along what it came with, for the entry
 */
export async function recordEndOf(
  db: Db,
  order: Pick<CertificateRevocation, 'tenant' | 'reason' | 'actor' | 'at'>,
  certificate: CertificateRow,
  along: { replaced_by?: string },
): Promise<void> {
  const { tenant, reason, actor, at } = order;
  const event = revokedEvent(order, certificate);
  const { serial_number, agent_id, reason_code } = event.data;
  await recordFact(db, {
    tenant,
    at,
    type: 'certificate.revoked',
    actor,
    subject: event.subject,
    body: { serial_number, agent_id, reason, reason_code, ...along },
    events: [event],
  });
}

/** `certificate.revoked`, as it is told. */
function revokedEvent(
  { tenant, reason, at }: Pick<CertificateRevocation, 'tenant' | 'reason' | 'at'>,
  certificate: CertificateRow,
): FactEvent & { data: Record<string, unknown> } {
  const subject = toTypeId('crt', certificate.id);
  return {
    type: 'certificate.revoked',
    subject,
    agentId: certificate.agentId,
    data: {
      org_id: toTypeId('org', tenant.orgId),
      certificate_id: certificate.id,
      agent_id: toTypeId('agt', certificate.agentId),
      serial_number: certificate.serialNumber,
      reason,
      reason_code: reasonNamed(certificate.reasonCode ?? 0),
      timestamp: at.toISOString(),
    },
  };
}
