import { z } from 'zod';
import { Problem } from '../../domain/errors.ts';
import { toTypeId } from '../../domain/ids.ts';
import { findAgent } from '../../store/agents.ts';
import { findCertificate, takePrivateKey } from '../../store/certificates/rows.ts';
import { recordFact } from '../../store/facts.ts';
import { inTransaction } from '../../store/pool.ts';
import type { ApiDeps } from '../deps.ts';
import { found } from '../not-found.ts';
import { route, type AnyRoute } from '../route.ts';
import { idOf } from '../schemas.ts';
import { Certificate, CertifyInput, printCertificate } from './certificate-body.ts';
import { issueCertificate } from './issue.ts';

const tags = ['Certificates'];
const envelope = 'kakunin';
const scope = 'certificates:write';

export function certifyRoutes(deps: ApiDeps): AnyRoute[] {
  const { authorities, lifecycle } = deps;
  // The first request of an installation makes its authorities, in a transaction of their own.
  const prepare = () => authorities.issuing();
  return [
    route({
      method: 'post',
      path: '/v1/agents/:id/certify',
      summary: 'Issues an X.509 certificate for an agent that has no active one.',
      description:
        'For a key that is made here, or for the agent’s own by a signing request (`csr_pem`). A pending agent becomes ' +
        'active, and so does one that nothing but the revocation of its former certificate had suspended.',
      tags,
      envelope,
      scope,
      params: z.object({ id: idOf('agt') }),
      body: CertifyInput.prefault({}),
      example: { key: 'p-256', permitted_actions: ['payment.authorize'] },
      idempotency: 'optional',
      replay: 'stored',
      prepare,
      responses: { 201: z.object({ data: Certificate }) },
      handler: async ({ params, body: order, tenant, actor, db }) => {
        const agent = found(await findAgent(db, tenant, params.id), 'agent', 'id');
        const row = await issueCertificate(deps, db, { tenant, actor, agent, order });
        return { status: 201, body: { data: printCertificate(row) } };
      },
    }),
    route({
      method: 'post',
      path: '/v1/certificates/:id/renew',
      summary: 'Issues a certificate with a new serial number in the place of an active one, which is superseded.',
      description:
        'Without `csr_pem`: the agent’s own key is certified again, or a new one is made where it was made here.',
      tags,
      envelope,
      scope,
      params: z.object({ id: idOf('crt') }),
      body: CertifyInput.prefault({}),
      example: { validity_days: 90 },
      idempotency: 'optional',
      replay: 'stored',
      prepare,
      responses: { 201: z.object({ data: Certificate }) },
      handler: async ({ params, body: order, tenant, actor, db, afterCommit }) => {
        const renewed = found(await findCertificate(db, tenant, params.id), 'certificate', 'id');
        if (renewed.status === 'revoked' || renewed.expiresAt <= new Date()) {
          throw new Problem('unprocessable', 'The certificate is not active: certify the agent anew.');
        }
        const agent = found(await findAgent(db, tenant, renewed.agentId), 'agent', 'id');
        const row = await issueCertificate(deps, db, { tenant, actor, agent, order, renewed });
        afterCommit(() => void lifecycle.certificateRevoked());
        return { status: 201, body: { data: printCertificate(row) } };
      },
    }),
    route({
      method: 'post',
      path: '/v1/certificates/:id/private-key',
      summary: 'Hands over the private key that was made here, once; afterwards it is nowhere here.',
      description: 'An answer that is lost takes the key with it: renew the certificate then.',
      tags,
      envelope,
      scope,
      params: z.object({ id: idOf('crt') }),
      idempotency: 'none',
      replay: 'none',
      responses: { 200: z.object({ data: z.object({ certificate_id: z.string(), private_key_pem: z.string() }) }) },
      handler: async ({ params, tenant, actor }) => {
        const sealed = await inTransaction(deps.pool, async (db) => {
          const row = found(await findCertificate(db, tenant, params.id), 'certificate', 'id');
          const at = new Date();
          const taken = await takePrivateKey(db, tenant, row.id, at);
          if (taken === undefined) {
            throw new Problem('unprocessable', 'No private key of this certificate lies here, or it was handed over.');
          }
          await recordFact(db, {
            tenant,
            at,
            type: 'certificate.private_key_taken',
            actor,
            subject: toTypeId('crt', row.id),
            body: { serial_number: row.serialNumber },
            events: [],
          });
          return taken;
        });
        const private_key_pem = deps.sealer.open(sealed);
        return { status: 200, body: { data: { certificate_id: params.id, private_key_pem } } };
      },
    }),
  ];
}
