import { postings } from '../../domain/ledger.ts';
import { toTypeId } from '../../domain/ids.ts';
import type { Reconciled } from '../../domain/settlement.ts';
import type { FileLine } from '../../domain/settlement-file.ts';
import type { Tenant } from '../../domain/types.ts';
import { newId } from '../../trust/new-id.ts';
import { deliverEvents, factArguments, recordFact, type Fact } from '../facts.ts';
import { postEntry } from '../payments/hold.ts';
import type { Db } from '../pool.ts';
import { SQL } from './apply-sql.ts';

export interface LinesToApply {
  tenant: Tenant;
  /** Ids of lines are unique within it: `simulator:alpha`. */
  source: string;
  processor: string;
  importId?: string;
  at: Date;
  lines: PreparedLines;
}

/** Lines by column, as the statement takes them, with an id and a suffix for each; arrays of the database as text. */
export interface PreparedLines {
  columns: string[];
}

/** Apart from the transaction, so that many lines are prepared while the database works on others. */
export function prepareLines(lines: readonly FileLine[]): PreparedLines {
  return {
    columns: [
      textArray(lines.map((line) => line.lineId)),
      plainArray(lines.map((line) => line.type)),
      plainArray(lines.map((line) => line.paymentId)),
      textArray(lines.map((line) => line.processorReference)),
      plainArray(lines.map((line) => line.operationId)),
      plainArray(lines.map((line) => line.amountMinor)),
      plainArray(lines.map((line) => line.feeMinor)),
      textArray(lines.map((line) => line.currency)),
      textArray(lines.map((line) => line.settlementId)),
      plainArray(lines.map(({ settledAtMs }) => new Date(settledAtMs).toISOString())),
      plainArray(lines.map(() => newId())),
      plainArray(lines.map(({ paymentId }) => paymentId && toTypeId('pay', paymentId).slice(4))),
    ],
  };
}

/** Of values that cannot have a character that an array takes for its own. */
function plainArray(values: readonly (string | number | undefined)[]): string {
  return `{${values.map((value) => value ?? 'NULL').join(',')}}`;
}

/** Of any texts: each in quotes, so that none is taken for NULL. */
function textArray(values: readonly (string | undefined)[]): string {
  return `{${values.map((value) => (value === undefined ? 'NULL' : `"${value.replaceAll(/["\\]/g, String.raw`\$&`)}"`)).join(',')}}`;
}

/** A line, with what it was found to be. */
export interface AppliedLine {
  line_id: string;
  status: Reconciled;
  type: 'capture' | 'refund';
  settlement: string;
  payment_id: string | null;
  operation_id: string | null;
  execution_id: string | null;
  agent_id: string | null;
  workflow_id: string | null;
  mid_id: string | null;
  amount_minor: number;
  fee_minor: number;
  currency: string;
  exception_id: string | null;
  /** All that was captured is settled now. */
  complete: boolean;
}

interface Group {
  mid: string;
  currency: string;
  type: 'capture' | 'refund';
  amount: number;
  fee: number;
}

export interface Applied {
  matched: number;
  exceptions: number;
  /** Came before, under the same id. */
  repeated: number;
  /** Only of lines applied one by one. */
  lines: AppliedLine[];
}

/**
 * Applies lines, in the caller's transaction: each is matched once, by its id within the source; counters, ledger,
 * totals, exceptions, audit entry and events follow. One transaction of an organization at a time, until it ends.
 * @param together one audit entry and one ledger entry per account for all of them, else one of each per line
 */
export async function applyLines(
  db: Db,
  apply: LinesToApply,
  together: Pick<Fact, 'actor' | 'type' | 'subject' | 'body'> | undefined,
): Promise<Applied> {
  const { tenant, at, lines, source, processor } = apply;
  const settled = `${tenant.orgId} ${tenant.mode}`;
  await db.query({
    name: 'one-settlement',
    // A batch touches some thousand rows of tables with millions, each by its key. Statistics do not know how many, and a
    // plan that reads a whole table once takes as long as all batches do.
    text: `SELECT pg_advisory_xact_lock(hashtextextended('settlement ' || $1, 0)), set_config('enable_seqscan', 'off', true),
                  set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true),
                  set_config('enable_bitmapscan', 'off', true), set_config('jit', 'off', true)`,
    values: [settled],
  });
  const fact = { tenant, at, events: [], ...(together ?? { actor: '', type: '', subject: '', body: {} }) };
  const { rows } = await db.query<{
    matched: number;
    exceptions: number;
    repeated: number;
    groups: Group[];
    lines: AppliedLine[];
    /** Of the audit entry of all of them. */
    sequence: number | null;
  }>({
    name: 'apply-settlement-lines',
    text: SQL,
    values: [
      ...factArguments(fact).values.slice(0, 10),
      together !== undefined,
      source,
      processor,
      apply.importId ?? null,
      ...lines.columns,
      toTypeId('org', tenant.orgId),
      at.toISOString(),
    ],
  });
  const { groups, sequence, ...applied } = rows[0]!;
  if (sequence !== null && applied.matched > 0) await deliverEvents(db, tenant, sequence);
  if (together) for (const group of groups) await postGroup(db, apply, group);
  else for (const line of applied.lines) await tellLine(db, apply, line);
  return applied;
}

async function postGroup(
  db: Db,
  { tenant, at }: LinesToApply,
  { mid, currency, type, amount, fee }: Group,
): Promise<void> {
  const lines = postings({ type: 'settled', of: type, mid, amountMinor: amount, feeMinor: fee, currency });
  await postEntry(db, tenant, { kind: 'settled', at, lines });
}

async function tellLine(db: Db, { tenant, at, processor }: LinesToApply, line: AppliedLine): Promise<void> {
  const counts = line.status === 'matched' || line.status === 'over' || line.status === 'under';
  if (counts && line.mid_id) {
    const { mid_id: mid, currency, amount_minor: amountMinor, fee_minor: feeMinor } = line;
    await postEntry(db, tenant, {
      kind: 'settled',
      paymentId: line.payment_id!,
      operationId: line.operation_id ?? undefined,
      at,
      lines: postings({ type: 'settled', of: line.type, mid, amountMinor, feeMinor, currency }),
    });
  }
  const { settlement: settlement_id, line_id, type, status, amount_minor, fee_minor, currency } = line;
  const told = { settlement_id, line_id, type, status, amount_minor, fee_minor, currency };
  const subject = line.payment_id ? toTypeId('pay', line.payment_id) : toTypeId('rex', line.exception_id!);
  const exception = line.exception_id ? { exception_id: toTypeId('rex', line.exception_id) } : {};
  await recordFact(db, {
    tenant,
    at,
    type: status === 'matched' ? 'payment.settled' : 'payment.settlement_exception',
    actor: `processor:${processor}`,
    subject,
    body: { ...told, ...exception },
    events: status === 'matched' ? [settledEvent(tenant, at, line, told)] : [],
  });
}

/** The same that the statement makes of many lines at once. */
function settledEvent({ orgId }: Tenant, at: Date, line: AppliedLine, told: object): Fact['events'][number] {
  const subject = toTypeId('pay', line.payment_id!);
  return {
    type: 'payment.settled',
    subject,
    executionId: line.execution_id!,
    ...(line.agent_id !== null && { agentId: line.agent_id }),
    data: {
      org_id: toTypeId('org', orgId),
      payment_id: subject,
      execution_ref: toTypeId('exec', line.execution_id!),
      timestamp: at.toISOString(),
      ...told,
    },
  };
}
