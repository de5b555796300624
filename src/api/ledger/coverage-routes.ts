import { Readable } from 'node:stream';
import { z } from 'zod';
import { COVERAGE_CLASSES, totalsOf } from '../../domain/coverage.ts';
import { toTypeId } from '../../domain/ids.ts';
import type { Tenant } from '../../domain/types.ts';
import { findAuditEntry, findLatestDecision, trailEntry, type AuditRow } from '../../store/audit.ts';
import { latestCheckpoint } from '../../store/audit-tree.ts';
import {
  countCoverage,
  listCoverage,
  listCoverageReports,
  walkCoverage,
  type CoverageItem,
  type Window,
} from '../../store/ledger/coverage.ts';
import { listReadings, type EffectReading } from '../../store/ledger/effects.ts';
import type { Db } from '../../store/pool.ts';
import { sealingKeys } from '../../trust/checkpoint.ts';
import { inclusionRanges } from '../../trust/merkle.ts';
import { provePath } from '../audit/seal-routes.ts';
import { decodeCursor, encodeCursor } from '../cursor.ts';
import type { ApiDeps } from '../deps.ts';
import { invalidRequest } from '../pipeline/invalid-request.ts';
import { route, type AnyRoute } from '../route.ts';
import { listOf, pageQuery, timeIn, timeOut, typeId } from '../schemas.ts';

const reading = {
  method: 'get',
  tags: ['Ledger'],
  scope: 'payments:read',
  idempotency: 'none',
  replay: 'none',
} as const;

const DAY_MS = 86_400_000;
const DEFAULT_DAYS = 30;
/** An answer is made at once: what is longer is asked for piece by piece. */
const MOST_DAYS = 92;

const window = {
  from: timeIn.optional().meta({ description: 'Inclusive; 30 days before `to` unless said' }),
  to: timeIn.optional().meta({ description: 'Exclusive; now unless said' }),
};
const name = z.enum(COVERAGE_CLASSES);
const count = z.object({ class: name, currency: z.string(), items: z.int(), amount_minor: z.int() });
const totals = z.object({
  matched: z.int(),
  effect_without_verdict: z.int(),
  verdict_without_effect: z.int(),
  one_sided: z.int(),
});

const Item = z
  .object({
    class: name,
    at: timeOut,
    kind: z.enum(['operation', 'effect', 'line', 'verdict']),
    exception_id: typeId('rex').nullable(),
    execution_ref: typeId('exec').nullable(),
    payment_id: typeId('pay').nullable(),
    operation_id: typeId('op').nullable(),
    processor: z.string().nullable(),
    effect_id: z.string().nullable().meta({ description: 'The processor’s id of an effect that it lists' }),
    processor_reference: z.string().nullable(),
    type: z.enum(['capture', 'refund', 'refund_return']).nullable(),
    amount_minor: z.int(),
    currency: z.string(),
    sources: z.array(z.enum(['processor', 'list', 'settlement'])),
    reason: z.string().nullable(),
    audit_ref: typeId('aud').nullable(),
  })
  .meta({ id: 'CoverageItem' });

/** How far the processor's own list of an account is read. */
const List = z
  .object({
    mid_id: typeId('mid'),
    processor: z.string(),
    mid: z.string(),
    from: timeOut,
    until: timeOut,
    read_at: timeOut,
    failure: z.string().nullable(),
  })
  .meta({ id: 'EffectList' });

/** Every money effect that processors and settlement tell of, beside its signed verdict. */
export function coverageRoutes({ signer }: Pick<ApiDeps, 'signer'>): AnyRoute[] {
  return [
    route({
      ...reading,
      path: '/v1/ledger/coverage',
      summary: 'Money effects and verdicts of a time, counted by how they stand beside each other.',
      query: z.strictObject(window),
      responses: {
        200: z
          .object({ from: timeOut, to: timeOut, totals, counts: z.array(count), lists: z.array(List) })
          .meta({ id: 'Coverage' }),
      },
      handler: async ({ query, tenant, db }) => {
        const of = windowOf(query);
        const counts = await countCoverage(db, tenant, of);
        const lists = (await listReadings(db, tenant)).map(printReading);
        return { status: 200, body: { ...printWindow(of), totals: totalsOf(counts), counts, lists } };
      },
    }),
    route({
      ...reading,
      path: '/v1/ledger/coverage/items',
      summary: 'Them one by one, oldest first.',
      query: z.strictObject({ ...pageQuery, ...window, class: name.optional() }),
      responses: { 200: listOf(Item) },
      handler: async ({ query: { cursor, limit, class: which, ...query }, tenant, db }) => {
        const [micros, id] = cursor === undefined ? [] : decodeCursor(cursor, ['number', 'uuid']);
        const after = id === undefined ? undefined : { micros: micros as number, id: id as string };
        const rows = await listCoverage(db, tenant, { ...windowOf(query), class: which, after, limit: limit + 1 });
        const page = rows.slice(0, limit);
        const last = page.at(-1);
        const next_cursor = rows.length > limit ? encodeCursor([last!.micros, last!.id]) : null;
        return { status: 200, body: { data: page.map(printItem), next_cursor } };
      },
    }),
    route({
      ...reading,
      path: '/v1/ledger/coverage/reports',
      summary: 'What the schedule measured, newest first.',
      query: z.strictObject(pageQuery),
      responses: {
        200: listOf(
          z
            .object({
              report_id: typeId('cov'),
              from: timeOut,
              to: timeOut,
              totals,
              counts: z.array(count),
              measured_at: timeOut,
            })
            .meta({ id: 'CoverageReport' }),
        ),
      },
      handler: async ({ query: { cursor, limit }, tenant, db }) => {
        const before = cursor === undefined ? undefined : (decodeCursor(cursor, ['uuid'])[0] as string);
        const rows = await listCoverageReports(db, tenant, { before, limit: limit + 1 });
        const page = rows.slice(0, limit);
        const next_cursor = rows.length > limit ? encodeCursor([page.at(-1)!.id]) : null;
        const data = page.map(({ id, counts, measuredAt, ...of }) => ({
          report_id: toTypeId('cov', id),
          ...printWindow(of),
          totals: totalsOf(counts),
          counts,
          measured_at: measuredAt.toISOString(),
        }));
        return { status: 200, body: { data, next_cursor } };
      },
    }),
    route({
      ...reading,
      scope: ['audit:read', 'admin'],
      path: '/v1/ledger/coverage/export',
      summary: 'The items as evidence: each with its verdict, and the proof that the decision is in the audit trail.',
      description:
        'Lines of JSON: first the window, the counts, the newest checkpoint and the keys; then an item a line, with the ' +
        'verdict (`verdict_jws`), the audit entry of its decision (`entry`; of an effect that only the processor lists, the ' +
        'one that tells of it) and the inclusion proof of that (`proof`), null for one that no checkpoint covers yet; last ' +
        'how many there were (`end`). `prokura verify coverage` checks it offline.',
      query: z.strictObject({ ...window, class: name.optional() }),
      responses: { 200: { description: 'One JSON object a line', contentType: 'application/x-ndjson' } },
      handler: async ({ query: { class: which, ...query }, tenant, db }) => ({
        status: 200,
        contentType: 'application/x-ndjson; charset=utf-8',
        headers: { 'Content-Disposition': `attachment; filename="coverage-${tenant.mode}.ndjson"` },
        body: Readable.from(evidence(db, tenant, signer, { ...windowOf(query), class: which })),
      }),
    }),
  ];
}

async function* evidence(
  db: Db,
  tenant: Tenant,
  signer: ApiDeps['signer'],
  filter: Parameters<typeof walkCoverage>[2],
): AsyncGenerator<string> {
  const checkpoint = await latestCheckpoint(db, tenant, [...sealingKeys(signer).keys()]);
  const counts = await countCoverage(db, tenant, filter);
  yield line({
    format: 'prokura-coverage/1',
    org: toTypeId('org', tenant.orgId),
    mode: tenant.mode,
    ...printWindow(filter),
    totals: totalsOf(counts),
    counts,
    lists: (await listReadings(db, tenant)).map(printReading),
    checkpoint: checkpoint?.note ?? null,
    public_key: { keys: signer.publicJwks },
  });
  const end = { items: 0, totals: totalsOf([]) };
  for await (const item of walkCoverage(db, tenant, filter)) {
    const entry = await entryOf(db, tenant, item);
    const proof = entry && checkpoint ? await proofOf(db, tenant, entry, checkpoint.size) : null;
    const shown = entry ? trailEntry(entry, toTypeId('org', tenant.orgId)) : null;
    yield line({ ...printItem(item), verdict_jws: item.jws, entry: shown, proof });
    end.items++;
    end.totals[item.class]++;
  }
  yield line({ end });
}

/** The entry of the decision that the item stands under, else the one that tells of the item itself. */
async function entryOf(db: Db, tenant: Tenant, item: CoverageItem): Promise<AuditRow | undefined> {
  const decided =
    item.class !== 'effect_without_verdict' && item.executionId
      ? await findLatestDecision(db, tenant, toTypeId('exec', item.executionId))
      : undefined;
  return decided ?? (item.auditId ? findAuditEntry(db, tenant, item.auditId) : undefined);
}

async function proofOf(db: Db, tenant: Tenant, { id, seq, entryHash }: AuditRow, size: number): Promise<object | null> {
  if (seq > size) return null;
  return {
    entry_id: toTypeId('ae', id),
    sequence: seq,
    entry_hash: entryHash,
    leaf_index: seq - 1,
    tree_size: size,
    hashes: await provePath(db, tenant, inclusionRanges(seq - 1, size)),
  };
}

function line(value: object): string {
  return `${JSON.stringify(value)}\n`;
}

function windowOf({ from, to }: { from?: Date | undefined; to?: Date | undefined }): Window {
  const end = to ?? new Date();
  const begin = from ?? new Date(end.getTime() - DEFAULT_DAYS * DAY_MS);
  if (begin >= end) throw invalidRequest('from', 'must be before to');
  if (end.getTime() - begin.getTime() > MOST_DAYS * DAY_MS) {
    throw invalidRequest('from', `must lie at most ${MOST_DAYS} days before to`);
  }
  return { from: begin, to: end };
}

function printWindow({ from, to }: Window) {
  return { from: from.toISOString(), to: to.toISOString() };
}

function printReading({ midId, from, until, readAt, ...told }: EffectReading): z.input<typeof List> {
  const times = { from: from.toISOString(), until: until.toISOString(), read_at: readAt.toISOString() };
  return { mid_id: toTypeId('mid', midId), ...told, ...times };
}

function printItem(item: CoverageItem): z.input<typeof Item> {
  return {
    class: item.class,
    at: item.at.toISOString(),
    kind: item.kind,
    exception_id: item.kind === 'line' ? toTypeId('rex', item.id) : null,
    execution_ref: item.executionId && toTypeId('exec', item.executionId),
    payment_id: item.paymentId && toTypeId('pay', item.paymentId),
    operation_id: item.operationId && toTypeId('op', item.operationId),
    processor: item.processor,
    effect_id: item.effectId,
    processor_reference: item.processorReference,
    type: item.type,
    amount_minor: item.amountMinor,
    currency: item.currency,
    sources: item.sources,
    reason: item.reason,
    audit_ref: item.auditId && toTypeId('aud', item.auditId),
  };
}
