import { z } from 'zod';
import { Problem } from '../../domain/errors.ts';
import { toTypeId } from '../../domain/ids.ts';
import { postings } from '../../domain/ledger.ts';
import { differenceOf, EXCEPTION_KINDS, RESOLUTIONS } from '../../domain/settlement.ts';
import type { Tenant } from '../../domain/types.ts';
import { recordFact } from '../../store/facts.ts';
import { postEntry } from '../../store/payments/hold.ts';
import type { Db } from '../../store/pool.ts';
import {
  assignException,
  findException,
  listExceptions,
  resolveException,
  type ExceptionRow,
} from '../../store/settlement/exceptions.ts';
import { decodeCursor, encodeCursor } from '../cursor.ts';
import { found } from '../not-found.ts';
import { invalidRequest } from '../pipeline/invalid-request.ts';
import { route, type AnyRoute } from '../route.ts';
import { idOf, listOf, pageQuery, shortText, timeOut, typeId } from '../schemas.ts';

const facts = { tags: ['Settlement'], idempotency: 'none', replay: 'none', scope: 'payments:read' } as const;
const writing = { tags: ['Settlement'], scope: 'payments:write', idempotency: 'optional', replay: 'stored' } as const;
const params = z.object({ id: idOf('rex') });
const owner = z.string().trim().min(1).max(200);

const ExceptionOutput = z
  .object({
    exception_id: typeId('rex'),
    kind: z.enum(EXCEPTION_KINDS),
    status: z.enum(['open', 'resolved']),
    payment_id: typeId('pay').nullable(),
    operation_id: typeId('op').nullable(),
    line: z
      .object({
        source: z.string(),
        line_id: z.string(),
        type: z.string().nullable(),
        settlement: z.string().nullable(),
      })
      .nullable(),
    expected_minor: z.int().nullable(),
    actual_minor: z.int().nullable(),
    currency: z.string(),
    opened_at: timeOut,
    owner: z.string().nullable(),
    assigned_at: timeOut.nullable(),
    resolution: z.enum([...RESOLUTIONS, 'settled']).nullable(),
    note: z.string().nullable(),
    resolved_by: z.string().nullable(),
    resolved_at: timeOut.nullable(),
  })
  .meta({ id: 'ReconciliationException' });

/** What does not add up: who looks after it, and what became of it. */
export function reconciliationRoutes(): AnyRoute[] {
  return [
    route({
      ...facts,
      method: 'get',
      path: '/v1/reconciliation/exceptions',
      summary: 'Exceptions of the reconciliation, newest first; the open ones unless said otherwise.',
      query: z.strictObject({
        ...pageQuery,
        status: z.enum(['open', 'resolved', 'all']).default('open'),
        kind: z.enum(EXCEPTION_KINDS).optional(),
        payment_id: idOf('pay').optional(),
        owner: owner.optional(),
      }),
      responses: { 200: listOf(ExceptionOutput) },
      handler: async ({ query: { cursor, limit, status, payment_id: paymentId, ...filter }, tenant, db }) => {
        const before = cursor === undefined ? undefined : (decodeCursor(cursor, ['uuid'])[0] as string);
        const open = status === 'all' ? undefined : status === 'open';
        const rows = await listExceptions(db, tenant, { ...filter, paymentId, open, before, limit: limit + 1 });
        const page = rows.slice(0, limit);
        const next_cursor = rows.length > limit ? encodeCursor([page.at(-1)!.id]) : null;
        return { status: 200, body: { data: page.map(print), next_cursor } };
      },
    }),
    route({
      ...facts,
      method: 'get',
      path: '/v1/reconciliation/exceptions/:id',
      summary: 'An exception of the reconciliation.',
      params,
      responses: { 200: ExceptionOutput },
      handler: async ({ params: { id }, tenant, db }) => ({
        status: 200,
        body: print(found(await findException(db, tenant, id), 'exception', 'id')),
      }),
    }),
    route({
      ...writing,
      method: 'post',
      path: '/v1/reconciliation/exceptions/:id/assign',
      summary: 'Says who looks after an exception.',
      params,
      body: z.strictObject({ owner }),
      example: { owner: 'treasury' },
      responses: { 200: ExceptionOutput },
      handler: async ({ params: { id }, body, tenant, db, actor }) => {
        await holdOpen(db, tenant, id);
        const at = new Date();
        await assignException(db, tenant, id, body.owner, at);
        const subject = toTypeId('rex', id);
        const type = 'reconciliation.exception_assigned';
        await recordFact(db, { tenant, at, type, actor, subject, body: { owner: body.owner }, events: [] });
        return { status: 200, body: print((await findException(db, tenant, id))!) };
      },
    }),
    route({
      ...writing,
      method: 'post',
      path: '/v1/reconciliation/exceptions/:id/resolve',
      summary: 'Says what became of an exception; written off, its difference leaves the receivable.',
      params,
      body: z.strictObject({ resolution: z.enum(RESOLUTIONS), note: shortText }),
      example: { resolution: 'accepted', note: 'The processor rounds.' },
      responses: { 200: ExceptionOutput },
      handler: async ({ params: { id }, body: { resolution, note }, tenant, db, actor }) => {
        const row = await holdOpen(db, tenant, id);
        const at = new Date();
        const difference = resolution === 'written_off' ? await writeOff(db, tenant, row, at) : 0;
        await resolveException(db, tenant, id, { resolution, note, by: actor, at });
        const subject = toTypeId('rex', id);
        const body = {
          resolution,
          note,
          kind: row.kind,
          payment_id: row.paymentId && toTypeId('pay', row.paymentId),
          ...(difference !== 0 && { written_off_minor: difference, currency: row.currency }),
        };
        const type = 'reconciliation.exception_resolved';
        await recordFact(db, { tenant, at, type, actor, subject, body, events: [] });
        return { status: 200, body: print((await findException(db, tenant, id))!) };
      },
    }),
  ];
}

async function holdOpen(db: Db, tenant: Tenant, id: string): Promise<ExceptionRow> {
  const row = found(await findException(db, tenant, id, true), 'exception', 'id');
  if (row.resolvedAt) throw new Problem('unprocessable', 'The exception is resolved.');
  return row;
}

/** @returns what leaves the receivable; below zero when more was paid out than expected */
async function writeOff(db: Db, tenant: Tenant, row: ExceptionRow, at: Date): Promise<number> {
  const missing = differenceOf(row.kind, row.expectedMinor, row.actualMinor);
  if (missing === 0 || row.midId === null || row.paymentId === null) {
    throw invalidRequest('resolution', 'written_off is of what was paid out over or under only');
  }
  // What is short of a refund was not taken from us.
  const difference = row.lineType === 'refund' ? -missing : missing;
  const type = difference > 0 ? 'short_paid' : 'over_paid';
  const lines = postings({ type, mid: row.midId, amountMinor: Math.abs(difference), currency: row.currency });
  const operationId = row.operationId ?? undefined;
  await postEntry(db, tenant, { kind: type, paymentId: row.paymentId, operationId, at, lines });
  return difference;
}

function print(row: ExceptionRow) {
  return {
    exception_id: toTypeId('rex', row.id),
    kind: row.kind,
    status: row.resolvedAt ? ('resolved' as const) : ('open' as const),
    payment_id: row.paymentId && toTypeId('pay', row.paymentId),
    operation_id: row.operationId && toTypeId('op', row.operationId),
    line: row.lineId && {
      source: row.source,
      line_id: row.lineId,
      type: row.lineType,
      settlement: row.settlementReference,
    },
    expected_minor: row.expectedMinor,
    actual_minor: row.actualMinor,
    currency: row.currency,
    opened_at: row.openedAt.toISOString(),
    owner: row.owner,
    assigned_at: row.assignedAt?.toISOString() ?? null,
    resolution: row.resolution,
    note: row.note,
    resolved_by: row.resolvedBy,
    resolved_at: row.resolvedAt?.toISOString() ?? null,
  };
}
