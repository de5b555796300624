import { z } from 'zod';
import { reasonNamed } from '../../domain/certificates.ts';
import { Problem } from '../../domain/errors.ts';
import type { Tenant } from '../../domain/types.ts';
import {
  beginCertificateRevocation,
  stopOfCertificate,
  type CertificateRevocation,
} from '../../store/certificates/revoke.ts';
import { findCertificate, type CertificateRow } from '../../store/certificates/rows.ts';
import type { Db } from '../../store/pool.ts';
import type { StopRow } from '../../store/stops/begin.ts';
import { closeUnder } from '../../store/stops/close-under.ts';
import { credentialsOf } from '../access/credentials.ts';
import type { ApiDeps } from '../deps.ts';
import { beginStop, endStop } from '../identity/begin-stop.ts';
import { Revocation } from '../identity/revoke-body.ts';
import { revocationAnswer } from '../identity/revoke.ts';
import { found } from '../not-found.ts';
import { route, type AnyRoute } from '../route.ts';
import { idOf, timeOut, uuid } from '../schemas.ts';
import { RevokeInput } from './certificate-body.ts';

const Revoked = z.object({
  certificate_id: uuid,
  status: z.literal('revoked'),
  revoked_at: timeOut,
  reason: z.string(),
  reason_code: z.string(),
  serial_number: z.string(),
  revoked: Revocation.shape.revoked,
  affected_executions: Revocation.shape.affected_executions,
  open_authorizations: Revocation.shape.open_authorizations,
});

export function revokeCertificateRoute(deps: ApiDeps): AnyRoute {
  const { pool, lifecycle } = deps;
  return route({
    method: 'post',
    path: '/v1/certificates/:id/revoke',
    summary: 'Revokes a certificate, suspends its agent, and closes what waits under the agent at once.',
    description:
      'The delegations that the agent holds, and those it has passed on, are withdrawn; open executions under them are ' +
      'denied, unused approvals lapse, as by `POST /v1/identities/revoke`. The agent may be certified anew.',
    tags: ['Certificates'],
    envelope: 'kakunin',
    scope: 'certificates:write',
    params: z.object({ id: idOf('crt') }),
    body: RevokeInput,
    example: { reason: 'the key was seen elsewhere', reason_code: 'keyCompromise' },
    idempotency: 'optional',
    replay: 'own',
    responses: { 200: z.object({ data: Revoked }) },
    handler: async (ctx) => {
      const { body, params, tenant, actor } = ctx;
      const order = { tenant, actor, reason: body.reason, reasonCode: body.reason_code };
      const first = await beginStop(deps, ctx, (db, isRepeat) =>
        begin(db, params.id, { ...order, isRepeat, at: new Date() }),
      );
      if ('replay' in first) return first.replay;
      const { certificate, stop } = first.begun;
      // Tokens of a delegation are credentials too.
      credentialsOf(pool).forget(tenant.orgId);
      // Not awaited: a worker finds what could not be handed over, and the next pass signs the list.
      void lifecycle.drive({ tenant, id: stop.id });
      void lifecycle.certificateRevoked();
      await closeUnder(pool, tenant, stop.id, () => new Date());
      const answer = await revocationAnswer(pool, tenant, stop);
      return endStop(deps, ctx, { status: 200, body: { data: { ...print(certificate), ...answer } } });
    },
  });
}

/** @throws Problem `not_found`, `certificate_revoked`, `unprocessable` */
async function begin(
  db: Db,
  id: string,
  order: CertificateRevocation & { isRepeat: boolean },
): Promise<{ certificate: CertificateRow; stop: StopRow }> {
  const { tenant } = order;
  const before = await named(db, tenant, id);
  if (before.status === 'revoked') {
    // A repeat of a request that died on its way goes on with what it has begun.
    const stop = order.isRepeat ? await stopOfCertificate(db, tenant, id) : undefined;
    if (stop) return { certificate: before, stop };
    throw alreadyRevoked();
  }
  if (before.expiresAt <= order.at) throw new Problem('unprocessable', 'The certificate has expired.');
  const begun = await beginCertificateRevocation(db, id, order);
  // Renewed at the same moment.
  if (!begun) throw alreadyRevoked();
  return begun;
}

async function named(db: Db, tenant: Tenant, id: string): Promise<CertificateRow> {
  return found(await findCertificate(db, tenant, id), 'certificate', 'id');
}

function alreadyRevoked(): Problem {
  return new Problem('certificate_revoked', 'The certificate was revoked already.');
}

function print(row: CertificateRow) {
  return {
    certificate_id: row.id,
    status: 'revoked',
    reason: row.revocationReason,
    reason_code: reasonNamed(row.reasonCode ?? 0),
    serial_number: row.serialNumber,
  };
}
