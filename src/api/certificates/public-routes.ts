import { z } from 'zod';
import { CERTIFICATE_STATUSES, certificateStatus, parseSerial, reasonNamed } from '../../domain/certificates.ts';
import { Problem } from '../../domain/errors.ts';
import type { Authorities } from '../../store/certificates/authorities.ts';
import type { AuthorityRow } from '../../store/certificates/authority-rows.ts';
import { findBySerial } from '../../store/certificates/rows.ts';
import { toPem } from '../../trust/pki/der.ts';
import type { ApiDeps } from '../deps.ts';
import { route, type AnyRoute, type Reply } from '../route.ts';
import { timeOut, uuid } from '../schemas.ts';
import { CurrentLists } from './current-lists.ts';

const open = {
  scope: 'public',
  idempotency: 'none',
  replay: 'none',
  tags: ['Certificates'],
  envelope: 'kakunin',
} as const;
/** For so long, seconds, an answer may be kept by whoever asked, and by caches on the way. */
const KEPT = { state: 5, list: 10, issuer: 3_600 };
const PEM_TYPES = ['text/plain', 'application/x-pem-file'];
const CERTIFICATE_TYPE = 'application/pkix-cert';
const LIST_TYPE = 'application/pkix-crl';
const ofIssuer = z.strictObject({
  issuer: z
    .union([uuid, z.literal('root')])
    .optional()
    .meta({ description: 'As certificates say, or `root`; the present issuing authority otherwise' }),
});

const State = z.object({
  serial_number: z.string(),
  status: z.enum(CERTIFICATE_STATUSES),
  agent_id: uuid,
  issued_at: timeOut,
  expires_at: timeOut,
  revoked_at: timeOut.nullable(),
  reason_code: z.string().nullable(),
  agent_status: z.string(),
  mode: z.enum(['test', 'live']),
});

/** What anybody may ask, without a credential: whoever meets an agent checks it by these. */
export function publicCertificateRoutes(deps: ApiDeps): AnyRoute[] {
  const { authorities } = deps;
  const lists = new CurrentLists(deps.pool);
  return [
    route({
      ...open,
      method: 'get',
      path: '/v1/verify/:serial',
      summary: 'Whether a certificate is good now, by its serial number, with or without colons.',
      limitedBy: 'RATE_LIMIT_VERIFY_PER_IP',
      params: z.object({ serial: z.string().max(64).meta({ example: '4FBE0C14B1D5F1A0AABBCCDDEEFF0011' }) }),
      responses: { 200: z.object({ data: State }) },
      handler: async ({ params, db }) => {
        const serial = parseSerial(params.serial);
        const row = serial === undefined ? undefined : await findBySerial(db, serial);
        if (!row) throw new Problem('not_found', 'No certificate has this serial number.');
        const data = {
          serial_number: row.serialNumber,
          status: certificateStatus(row.status, row.expiresAt.getTime(), Date.now()),
          agent_id: row.agentId,
          issued_at: row.issuedAt.toISOString(),
          expires_at: row.expiresAt.toISOString(),
          revoked_at: row.revokedAt?.toISOString() ?? null,
          reason_code: row.reasonCode === null ? null : reasonNamed(row.reasonCode),
          agent_status: row.agentStatus,
          mode: row.mode,
        };
        return { status: 200, body: { data }, headers: keptFor(KEPT.state) };
      },
    }),
    route({
      ...open,
      method: 'get',
      path: '/v1/crl',
      summary: 'The current revocation list, in DER, or in PEM for `Accept: text/plain`.',
      query: ofIssuer,
      responses: { 200: { description: 'Revocation list', contentType: LIST_TYPE, alsoAs: PEM_TYPES } },
      handler: async ({ query, headers }) => {
        const issuer = await issuerOf(authorities, query.issuer);
        const list = issuer && (await lists.of(issuer.id));
        if (!list) throw new Problem('service_unavailable', 'The revocation list is not generated yet.');
        const told = {
          ...keptFor(KEPT.list),
          'X-CRL-Generated-At': list.thisUpdate.toISOString(),
          'X-CRL-Next-Update': list.nextUpdate.toISOString(),
        };
        return encoded(headers.accept, { der: list.der, label: 'X509 CRL', type: LIST_TYPE, headers: told });
      },
    }),
    route({
      ...open,
      method: 'get',
      path: '/v1/ca',
      summary: 'The certificate of the issuing authority, in DER, or in PEM for `Accept: text/plain`.',
      query: ofIssuer,
      responses: { 200: { description: 'Certificate', contentType: CERTIFICATE_TYPE, alsoAs: PEM_TYPES } },
      handler: async ({ query, headers }) => {
        const issuer = present(await issuerOf(authorities, query.issuer));
        return ofAuthority(headers.accept, issuer);
      },
    }),
    route({
      ...open,
      method: 'get',
      path: '/v1/ca/root',
      summary: 'The certificate to trust: the root, in DER, or in PEM for `Accept: text/plain`.',
      responses: { 200: { description: 'Certificate', contentType: CERTIFICATE_TYPE, alsoAs: PEM_TYPES } },
      handler: async ({ headers }) => {
        const rows = await authorities.all();
        return ofAuthority(headers.accept, present(rows.find(({ role }) => role === 'root')));
      },
    }),
    route({
      ...open,
      method: 'get',
      path: '/v1/ca/chain',
      summary: 'The issuing authorities and the root, in PEM.',
      responses: { 200: { description: 'Certificates', contentType: 'application/pem-certificate-chain' } },
      handler: async () => {
        const rows = (await authorities.all()).filter(({ role }) => role !== 'responder').reverse();
        present(rows[0]);
        const body = rows.map(({ certificate }) => toPem('CERTIFICATE', certificate)).join('');
        return {
          status: 200,
          body,
          contentType: 'application/pem-certificate-chain',
          headers: keptFor(KEPT.issuer),
        };
      },
    }),
  ];
}

async function issuerOf(authorities: Authorities, id: string | undefined): Promise<AuthorityRow | undefined> {
  const all = (await authorities.all()).filter(({ role }) => role !== 'responder');
  const role = id === undefined ? 'issuing' : id;
  if (role === 'issuing' || role === 'root') return all.find((row) => row.role === role && row.retiredAt === null);
  const found = all.find((row) => row.id === role.toLowerCase());
  if (!found) throw new Problem('not_found', 'There is no such issuer.');
  return found;
}

function present(row: AuthorityRow | undefined): AuthorityRow {
  if (row) return row;
  throw new Problem('service_unavailable', 'The authorities are not made yet.');
}

function ofAuthority(accept: string | undefined, { certificate }: AuthorityRow): Reply {
  const headers = keptFor(KEPT.issuer);
  return encoded(accept, { der: certificate, label: 'CERTIFICATE', type: CERTIFICATE_TYPE, headers });
}

interface Encoded {
  der: Buffer;
  label: Parameters<typeof toPem>[0];
  type: string;
  headers: Record<string, string>;
}

/** DER, as RFC 5280 §4.2.1.13 and §4.2.2.1 have it, unless a text is asked for and DER is not. */
function encoded(accept: string | undefined, { der, label, type, headers }: Encoded): Reply {
  const asked = (accept ?? '').split(',').map((part) => part.split(';')[0]!.trim().toLowerCase());
  const pemType = asked.includes(type) ? undefined : PEM_TYPES.find((one) => asked.includes(one));
  const told = { ...headers, Vary: 'Accept' };
  if (pemType === undefined) return { status: 200, body: der, contentType: type, headers: told };
  return { status: 200, body: toPem(label, der), contentType: pemType, headers: told };
}

function keptFor(seconds: number): Record<string, string> {
  return { 'Cache-Control': `public, max-age=${seconds}` };
}
