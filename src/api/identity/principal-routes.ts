import { z } from 'zod';
import { Problem } from '../../domain/errors.ts';
import { toTypeId } from '../../domain/ids.ts';
import { recordFact } from '../../store/facts.ts';
import { findPrincipal, listPrincipals, upsertPrincipal } from '../../store/principals.ts';
import { enrolTotp } from '../../store/totp.ts';
import { newId } from '../../trust/new-id.ts';
import type { ApiDeps } from '../deps.ts';
import { decodeCursor, encodeCursor } from '../cursor.ts';
import { found } from '../not-found.ts';
import { route, type AnyRoute } from '../route.ts';
import { idOf, listOf, pageQuery, reference } from '../schemas.ts';
import {
  Principal,
  PRINCIPAL_STATUSES,
  PRINCIPAL_TYPES,
  PrincipalInput,
  printPrincipal,
  storedAttestation,
} from './principal-body.ts';

export function principalRoutes({ sealer }: ApiDeps): AnyRoute[] {
  const tags = ['Identity'];
  const params = z.object({ id: idOf('prn') });
  return [
    route({
      method: 'post',
      path: '/v1/identities/principals',
      summary: 'Registers a principal, or updates the one with this external_ref.',
      tags,
      scope: 'identities:write',
      body: PrincipalInput,
      example: { external_ref: 'emp-1042', type: 'person', name: 'Ada Byron', email: 'ada@example.com', country: 'GB' },
      idempotency: 'required',
      replay: 'stored',
      responses: { 200: Principal, 201: Principal },
      handler: async ({ body, tenant, actor, db }) => {
        const row = await upsertPrincipal(db, tenant, newId(), {
          externalRef: body.external_ref,
          type: body.type,
          name: body.name,
          email: body.email,
          phone: body.phone,
          country: body.country,
          stepUpMethods: body.step_up && [...new Set(body.step_up.methods)],
          attestations: body.attestations?.map(storedAttestation),
          metadata: body.metadata,
        });
        if (!row) {
          throw new Problem('resource_conflict', 'The principal with this external_ref is of the other type.', {
            fields: [{ path: 'type', message: 'cannot be changed' }],
          });
        }
        await recordFact(db, {
          tenant,
          at: new Date(),
          type: row.created ? 'principal.registered' : 'principal.updated',
          actor,
          subject: toTypeId('prn', row.id),
          // The trail is for ever: it names the members that were given, not what a person may want erased.
          body: { members: Object.keys(body).sort() },
          events: [],
        });
        return { status: row.created ? 201 : 200, body: printPrincipal(row, new Date()) };
      },
    }),
    route({
      method: 'get',
      path: '/v1/identities/principals',
      summary: 'Principals, in order of registration.',
      tags,
      scope: 'identities:read',
      query: z.strictObject({
        ...pageQuery,
        status: z.enum(PRINCIPAL_STATUSES).optional(),
        type: z.enum(PRINCIPAL_TYPES).optional(),
        external_ref: reference.optional(),
      }),
      idempotency: 'none',
      replay: 'none',
      responses: { 200: listOf(Principal) },
      handler: async ({ query, tenant, db }) => {
        const after = query.cursor === undefined ? undefined : (decodeCursor(query.cursor, ['uuid'])[0] as string);
        const { status, type, external_ref: externalRef, limit } = query;
        const rows = await listPrincipals(db, tenant, { after, limit: limit + 1, status, type, externalRef });
        const page = rows.slice(0, limit);
        const now = new Date();
        const next_cursor = rows.length > limit ? encodeCursor([page.at(-1)!.id]) : null;
        return { status: 200, body: { data: page.map((row) => printPrincipal(row, now)), next_cursor } };
      },
    }),
    route({
      method: 'get',
      path: '/v1/identities/principals/:id',
      summary: 'A principal.',
      tags,
      scope: 'identities:read',
      params,
      idempotency: 'none',
      replay: 'none',
      responses: { 200: Principal },
      handler: async ({ params: { id }, tenant, db }) => ({
        status: 200,
        body: printPrincipal(found(await findPrincipal(db, tenant, id), 'principal', 'id'), new Date()),
      }),
    }),
    route({
      method: 'post',
      path: '/v1/identities/principals/:id/totp',
      summary: 'Gives the principal a new TOTP secret, shown once; its first valid code confirms it.',
      tags,
      scope: 'identities:write',
      params,
      idempotency: 'required',
      replay: 'stored',
      sealedReplay: true,
      responses: { 201: z.object({ secret: z.string(), otpauth_url: z.string() }) },
      handler: async ({ params: { id }, tenant, actor, db }) => {
        const principal = found(await findPrincipal(db, tenant, id), 'principal', 'id');
        const enrolment = await enrolTotp(db, sealer, { tenant, principalId: id });
        if (!enrolment) throw new Problem('unprocessable', `The principal is ${principal.status}.`);
        await recordFact(db, {
          tenant,
          at: new Date(),
          type: 'principal.totp_enrolled',
          actor,
          subject: toTypeId('prn', id),
          body: { replaced: principal.totpEnrolled },
          events: [],
        });
        return { status: 201, body: { secret: enrolment.secret, otpauth_url: enrolment.otpauthUrl } };
      },
    }),
  ];
}
