import { z } from 'zod';
import { Problem } from '../../domain/errors.ts';
import { toTypeId } from '../../domain/ids.ts';
import { recordFact } from '../../store/facts.ts';
import { setPrincipalStatus } from '../../store/principals.ts';
import { found } from '../not-found.ts';
import { route, type AnyRoute } from '../route.ts';
import { idOf, shortText } from '../schemas.ts';
import { Principal, printPrincipal } from './principal-body.ts';

/** Suspending is undone by reactivating. Closing a principal for good is `POST /v1/identities/revoke`. */
export function principalStatusRoutes(): AnyRoute[] {
  return [
    statusRoute(
      'suspend',
      'suspended',
      'Suspends a principal: whatever its agents ask for is denied until it is reactivated.',
    ),
    statusRoute('reactivate', 'active', 'Lets a suspended principal’s agents act again; repeating it changes nothing.'),
  ];
}

function statusRoute(verb: string, status: 'active' | 'suspended', summary: string): AnyRoute {
  return route({
    method: 'post',
    path: `/v1/identities/principals/:id/${verb}`,
    summary,
    tags: ['Identity'],
    scope: 'identities:write',
    params: z.object({ id: idOf('prn') }),
    body: z.strictObject({ reason: shortText.optional() }).default({}),
    example: { reason: 'under investigation' },
    idempotency: 'required',
    replay: 'stored',
    responses: { 200: Principal },
    handler: async ({ params, body, tenant, actor, db }) => {
      const { row, changed } = found(await setPrincipalStatus(db, tenant, params.id, status), 'principal', 'id');
      if (row.status === 'closed') throw new Problem('unprocessable', 'The principal is closed, for good.');
      const at = new Date();
      if (changed) {
        await recordFact(db, {
          tenant,
          at,
          type: status === 'active' ? 'principal.reactivated' : 'principal.suspended',
          actor,
          subject: toTypeId('prn', row.id),
          body: { status, reason: body.reason ?? null },
          events: [],
        });
      }
      return { status: 200, body: printPrincipal(row, at) };
    },
  });
}
