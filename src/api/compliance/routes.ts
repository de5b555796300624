import { z } from 'zod';
import { toTypeId } from '../../domain/ids.ts';
import type { Tenant } from '../../domain/types.ts';
import { findAgent } from '../../store/agents.ts';
import { recordFact } from '../../store/facts.ts';
import { findOrganization } from '../../store/organizations.ts';
import type { Db } from '../../store/pool.ts';
import type { ApiDeps } from '../deps.ts';
import { found } from '../not-found.ts';
import { invalidRequest } from '../pipeline/invalid-request.ts';
import { route, type AnyRoute } from '../route.ts';
import { idOf, timeIn } from '../schemas.ts';
import { renderReport } from './html.ts';
import { makeReport } from './report.ts';
import { Report } from './report-body.ts';

const DAY_MS = 86_400_000;
const USUAL_DAYS = 30;
const LONGEST_DAYS = 366;

/** Evidence over a period, for one agent or the whole organization. */
export function complianceRoutes({ signer }: Pick<ApiDeps, 'signer'>): AnyRoute[] {
  return [
    route({
      method: 'get',
      path: '/v1/compliance/report',
      summary: 'What was recorded over a period, by the duties it can be evidence for, with proof of the records.',
      description:
        'Evidence, and no legal advice. JSON, or one page of HTML (`format=html`, or `Accept: text/html`). The last 30 ' +
        'days unless `from` and `to` say otherwise, at most 366. That it was asked for is in the audit trail.',
      tags: ['Compliance'],
      envelope: 'kakunin',
      scope: 'audit:read',
      query: z.strictObject({
        agent_id: idOf('agt').optional(),
        from: timeIn.optional().meta({ description: 'First moment of the period' }),
        to: timeIn.optional().meta({ description: 'End of the period, excluded' }),
        format: z.enum(['json', 'html']).optional(),
      }),
      idempotency: 'none',
      replay: 'none',
      mayBeAbsent: true,
      responses: { 200: z.object({ data: Report }) },
      handler: async ({ query, tenant, actor, headers, db }) => {
        const at = new Date();
        const to = query.to ?? at;
        const from = query.from ?? new Date(to.getTime() - USUAL_DAYS * DAY_MS);
        if (from >= to) throw invalidRequest('from', 'must be before to');
        if (to.getTime() - from.getTime() > LONGEST_DAYS * DAY_MS) {
          throw invalidRequest('from', `must be at most ${LONGEST_DAYS} days before to`);
        }
        const subject = await subjectOf(db, tenant, query.agent_id);
        const scope = { tenant, agentId: query.agent_id, from, to };
        const report = await makeReport(db, scope, { signer, subject, at });
        await recordFact(db, {
          tenant,
          at,
          type: 'compliance.reported',
          actor,
          subject: subject.id,
          body: { from: from.toISOString(), to: to.toISOString() },
          events: [],
        });
        const asPage = query.format === undefined ? prefersHtml(headers.accept) : query.format === 'html';
        return asPage
          ? {
              status: 200,
              contentType: 'text/html; charset=utf-8',
              headers: { Vary: 'Accept' },
              body: renderReport(report),
            }
          : { status: 200, headers: { Vary: 'Accept' }, body: { data: report } };
      },
    }),
  ];
}

async function subjectOf(db: Db, tenant: Tenant, agentId: string | undefined): Promise<Report['subject']> {
  if (agentId !== undefined) {
    const agent = found(await findAgent(db, tenant, agentId), 'agent', 'agent_id');
    return { kind: 'agent', id: toTypeId('agt', agent.id), name: agent.name };
  }
  const organization = await findOrganization(db, tenant.orgId);
  return { kind: 'organization', id: toTypeId('org', tenant.orgId), name: organization?.name ?? '' };
}

/** Browsers ask for HTML first; whoever names JSON, or nothing, gets JSON. */
function prefersHtml(accept = ''): boolean {
  return /^\s*text\/html/.test(accept);
}
