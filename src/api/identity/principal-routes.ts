import { z } from 'zod';
import { Problem } from '../../domain/errors.ts';
import { toTypeId } from '../../domain/ids.ts';
import { recordFact } from '../../store/facts.ts';
import { findPrincipal, upsertPrincipal, type PrincipalRow } from '../../store/principals.ts';
import { enrolTotp } from '../../store/totp.ts';
import { newId } from '../../trust/new-id.ts';
import type { ApiDeps } from '../deps.ts';
import { found } from '../not-found.ts';
import { route, type AnyRoute } from '../route.ts';
import { countryCode, idOf, metadata, reference, shortText, timeOut, typeId } from '../schemas.ts';

const METHODS = ['totp', 'webauthn', 'approval'] as const;

const PrincipalInput = z.strictObject({
  external_ref: reference,
  type: z.enum(['person', 'organization']),
  name: shortText,
  email: z.email().max(320).optional(),
  country: countryCode.optional(),
  step_up: z.strictObject({ methods: z.array(z.enum(METHODS)).max(METHODS.length) }).optional(),
  metadata: metadata.optional(),
});

const Principal = z
  .object({
    principal_id: typeId('prn'),
    external_ref: z.string(),
    type: z.enum(['person', 'organization']),
    name: z.string(),
    email: z.string().optional(),
    country: z.string().optional(),
    status: z.enum(['active', 'suspended', 'closed']),
    step_up: z.object({ methods: z.array(z.string()), totp: z.enum(['none', 'unconfirmed', 'confirmed']) }),
    metadata: z.record(z.string(), z.unknown()),
    created_at: timeOut,
    updated_at: timeOut,
  })
  .meta({ id: 'Principal' });

function print(row: PrincipalRow) {
  return {
    principal_id: toTypeId('prn', row.id),
    external_ref: row.externalRef,
    type: row.type,
    name: row.name,
    email: row.email ?? undefined,
    country: row.country ?? undefined,
    status: row.status,
    step_up: {
      methods: row.stepUpMethods,
      totp: row.totpConfirmedAt ? 'confirmed' : row.totpEnrolled ? 'unconfirmed' : 'none',
    },
    metadata: row.metadata,
    created_at: row.createdAt.toISOString(),
    updated_at: row.updatedAt.toISOString(),
  };
}

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
          country: body.country,
          stepUpMethods: body.step_up && [...new Set(body.step_up.methods)],
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
        return { status: row.created ? 201 : 200, body: print(row) };
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
        body: print(found(await findPrincipal(db, tenant, id), 'principal', 'id')),
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
