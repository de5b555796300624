import { z } from 'zod';
import { Problem } from '../../domain/errors.ts';
import { toTypeId } from '../../domain/ids.ts';
import type { Tenant } from '../../domain/types.ts';
import { recordFact } from '../../store/facts.ts';
import { insertPasskey, listPasskeys, removePasskey, type PasskeyRow } from '../../store/passkeys.ts';
import type { Db } from '../../store/pool.ts';
import { findPrincipal } from '../../store/principals.ts';
import { newId } from '../../trust/new-id.ts';
import { REGISTRATION_MS, type Passkeys } from '../../trust/passkeys.ts';
import type { ApiDeps } from '../deps.ts';
import { found } from '../not-found.ts';
import { route, type AnyRoute } from '../route.ts';
import { idOf, shortText, timeOut, typeId } from '../schemas.ts';

/** More than one person has. */
const MOST = 20;

const Passkey = z
  .object({
    passkey_id: typeId('psk'),
    principal_id: typeId('prn'),
    name: z.string(),
    rp_id: z.string().meta({ description: 'The domain that it is for', example: 'pay.example' }),
    synced: z.boolean().meta({ description: 'Kept on more than one device' }),
    created_at: timeOut,
    last_used_at: timeOut.nullable(),
  })
  .meta({ id: 'Passkey' });

const RegisterBody = z.strictObject({
  name: shortText.default('passkey').meta({ description: 'What its owner calls it' }),
  response: z
    .looseObject({ id: z.string().min(1).max(2_000), response: z.looseObject({}) })
    .meta({ description: 'The new credential as JSON (`RegistrationResponseJSON` of WebAuthn Level 3 §5.1.8)' }),
});

/** Passkeys of principals: what a step-up challenge is answered with by `webauthn`. */
export function passkeyRoutes({ passkeys }: ApiDeps): AnyRoute[] {
  const tags = ['Identity'];
  const params = z.object({ id: idOf('prn') });
  return [
    route({
      method: 'post',
      path: '/v1/identities/principals/:id/passkeys/options',
      summary: 'What a page hands to `navigator.credentials.create` to make a passkey of the principal.',
      description: 'Good for five minutes. The page must be of an origin in `PASSKEY_ORIGINS`.',
      tags,
      scope: 'identities:write',
      params,
      idempotency: 'none',
      replay: 'none',
      responses: {
        201: z.object({
          options: z.looseObject({}).meta({ description: '`PublicKeyCredentialCreationOptionsJSON`' }),
          origins: z.array(z.string()),
          expires_at: timeOut,
        }),
      },
      handler: async ({ params: { id }, tenant, db }) => {
        const domain = domainOf(passkeys);
        const principal = await mayEnrol(db, tenant, id);
        const now = Date.now();
        const known = await listPasskeys(db, tenant, id);
        if (known.length >= MOST) throw new Problem('unprocessable', `The principal has ${MOST} passkeys.`);
        const options = await domain.registrationOptions({ id, label: principal.externalRef }, known, now);
        const expires_at = new Date(now + REGISTRATION_MS).toISOString();
        return { status: 201, body: { options: { ...options }, origins: [...domain.origins], expires_at } };
      },
    }),
    route({
      method: 'post',
      path: '/v1/identities/principals/:id/passkeys',
      summary: 'Registers the passkey that the page has made.',
      tags,
      scope: 'identities:write',
      params,
      body: RegisterBody,
      example: { name: 'phone', response: { id: 'AbCd', type: 'public-key', response: {} } },
      idempotency: 'required',
      replay: 'stored',
      responses: { 201: Passkey },
      handler: async ({ params: { id }, body, tenant, actor, db }) => {
        const domain = domainOf(passkeys);
        await mayEnrol(db, tenant, id);
        const at = new Date();
        const passkey = await domain.register(id, body.response, at.getTime());
        if (!passkey) {
          throw new Problem('unprocessable', 'This proves no new passkey: ask for options, and try again.', {
            fields: [
              { path: 'response', message: 'is not of these options, this origin, or its user was not verified' },
            ],
          });
        }
        const row = await insertPasskey(db, tenant, {
          ...passkey,
          passkeyId: newId(),
          principalId: id,
          name: body.name,
          at,
        });
        if (!row) throw new Problem('resource_conflict', 'This passkey was registered before.');
        await tell(db, tenant, { type: 'principal.passkey_added', actor, at, row });
        return { status: 201, body: printPasskey(row) };
      },
    }),
    route({
      method: 'get',
      path: '/v1/identities/principals/:id/passkeys',
      summary: 'The passkeys of a principal.',
      tags,
      scope: 'identities:read',
      params,
      idempotency: 'none',
      replay: 'none',
      responses: { 200: z.object({ data: z.array(Passkey) }) },
      handler: async ({ params: { id }, tenant, db }) => {
        found(await findPrincipal(db, tenant, id), 'principal', 'id');
        return { status: 200, body: { data: (await listPasskeys(db, tenant, id)).map(printPasskey) } };
      },
    }),
    route({
      method: 'delete',
      path: '/v1/identities/principals/:id/passkeys/:passkey',
      summary: 'Removes a passkey: it answers nothing any more, and does not come back.',
      tags,
      scope: 'identities:write',
      params: z.object({ id: idOf('prn'), passkey: idOf('psk') }),
      idempotency: 'required',
      replay: 'stored',
      responses: { 200: Passkey },
      handler: async ({ params: { id, passkey }, tenant, actor, db }) => {
        const at = new Date();
        const removed = await removePasskey(db, tenant, { principalId: id, passkeyId: passkey, at });
        const row = found(removed, 'passkey', 'passkey');
        await tell(db, tenant, { type: 'principal.passkey_removed', actor, at, row });
        return { status: 200, body: printPasskey(row) };
      },
    }),
  ];
}

/** @throws Problem when passkeys have no domain here */
export function domainOf(passkeys: Passkeys | undefined): Passkeys {
  if (passkeys) return passkeys;
  throw new Problem('unprocessable', 'Passkeys need a host name: set PUBLIC_URL, or PASSKEY_ORIGINS.');
}

async function mayEnrol(db: Db, tenant: Tenant, id: string) {
  const principal = found(await findPrincipal(db, tenant, id), 'principal', 'id');
  if (principal.status !== 'active') throw new Problem('unprocessable', `The principal is ${principal.status}.`);
  return principal;
}

async function tell(
  db: Db,
  tenant: Tenant,
  { type, actor, at, row }: { type: string; actor: string; at: Date; row: PasskeyRow },
): Promise<void> {
  await recordFact(db, {
    tenant,
    at,
    type,
    actor,
    subject: toTypeId('prn', row.principalId),
    body: { passkey_id: toTypeId('psk', row.passkeyId), synced: row.synced },
    events: [],
  });
}

function printPasskey(row: PasskeyRow) {
  return {
    passkey_id: toTypeId('psk', row.passkeyId),
    principal_id: toTypeId('prn', row.principalId),
    name: row.name,
    rp_id: row.rpId,
    synced: row.synced,
    created_at: row.createdAt.toISOString(),
    last_used_at: row.lastUsedAt?.toISOString() ?? null,
  };
}
