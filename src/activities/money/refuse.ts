import { PROBLEMS, type ProblemCode } from '../../domain/errors.ts';
import type { OperationStep, RequestRef } from '../../domain/messages.ts';
import type { Tenant } from '../../domain/types.ts';
import type { ActivityDeps } from '../deps.ts';

/** Our own rules refuse before anything was reserved or sent: the waiting request is told, nothing is kept. */
export async function refuse(
  deps: ActivityDeps,
  tenant: Tenant,
  request: RequestRef,
  code: ProblemCode,
  detail: string,
): Promise<Extract<OperationStep, { kind: 'refused' }>> {
  await deps.replies.announce(deps.pool, tenant, request, {
    fingerprint: request.fingerprint,
    status: PROBLEMS[code].status,
    body: { code, detail },
  });
  return { kind: 'refused', code, detail };
}
