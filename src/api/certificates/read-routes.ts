import { z } from 'zod';
import { CERTIFICATE_STATUSES } from '../../domain/certificates.ts';
import { findCertificate, listCertificates } from '../../store/certificates/rows.ts';
import { decodeCursor, encodeCursor } from '../cursor.ts';
import { found } from '../not-found.ts';
import { route, type AnyRoute } from '../route.ts';
import { idOf, pageQuery } from '../schemas.ts';
import { Certificate, printCertificate } from './certificate-body.ts';

const shared = {
  tags: ['Certificates'],
  envelope: 'kakunin',
  scope: 'certificates:read',
  idempotency: 'none',
  replay: 'none',
} as const;

export function certificateReadRoutes(): AnyRoute[] {
  return [
    route({
      ...shared,
      method: 'get',
      path: '/v1/certificates',
      summary: 'Certificates, the newest first.',
      query: z.strictObject({
        ...pageQuery,
        agent_id: idOf('agt').optional(),
        status: z.enum(CERTIFICATE_STATUSES).optional(),
      }),
      responses: { 200: z.object({ data: z.array(Certificate), next_cursor: z.string().nullable() }) },
      handler: async ({ query, tenant, db }) => {
        const rows = await listCertificates(db, tenant, {
          before: query.cursor === undefined ? undefined : (decodeCursor(query.cursor, ['uuid'])[0] as string),
          agentId: query.agent_id,
          status: query.status,
          limit: query.limit + 1,
          now: new Date(),
        });
        const page = rows.slice(0, query.limit);
        const next_cursor = rows.length > query.limit ? encodeCursor([page.at(-1)!.id]) : null;
        return { status: 200, body: { data: page.map(printCertificate), next_cursor } };
      },
    }),
    route({
      ...shared,
      method: 'get',
      path: '/v1/certificates/:id',
      summary: 'A certificate.',
      params: z.object({ id: idOf('crt') }),
      responses: { 200: z.object({ data: Certificate }) },
      handler: async ({ params, tenant, db }) => ({
        status: 200,
        body: { data: printCertificate(found(await findCertificate(db, tenant, params.id), 'certificate', 'id')) },
      }),
    }),
  ];
}
