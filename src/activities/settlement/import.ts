import { activityInfo, cancellationSignal, heartbeat } from '@temporalio/activity';
import { setImmediate } from 'node:timers/promises';
import type { Pool } from 'pg';
import { toTypeId } from '../../domain/ids.ts';
import { BadLine, type FileLine } from '../../domain/settlement-file.ts';
import { recordFact } from '../../store/facts.ts';
import { inTransaction } from '../../store/pool.ts';
import { applyLines, prepareLines, type Applied, type PreparedLines } from '../../store/settlement/apply.ts';
import { holdBack } from '../../store/settlement/awaited.ts';
import { findToTell, markTold } from '../../store/settlement/import-driving.ts';
import { dropParts, insertRejects, readPart, type Reject } from '../../store/settlement/import-files.ts';
import {
  advanceImport,
  findImport,
  moveImport,
  type ImportRef,
  type ImportRow,
} from '../../store/settlement/imports.ts';
import { canonicalJson, sha256Hex } from '../../trust/canonical.ts';
import type { ActivityDeps } from '../deps.ts';
import { camtReader } from './camt.ts';
import { csvReader } from './csv.ts';
import { UnreadableFile, type FileRecord } from './records.ts';
import type { ImportProgress, ImportWork } from './types.ts';

/** Lines of one transaction: the audit trail waits for its end only, and no money operation for more than its payment. */
const BATCH = 4_000;
/** Then the pass ends, so that the workflow shows how far it is; the next one reads over what is done. */
const PASS_MS = 60_000;
/** Bad lines that are kept one by one; all of them are counted. */
const MOST_REJECTS = 10_000;
/** Lifecycles told at once, and in one pass. */
const TELL_AT_ONCE = 50;
const TELL_PER_PASS = 5_000;
/** Bytes that are read at once. */
const SLICE = 16_384;
const NOTHING: Applied = { matched: 0, exceptions: 0, repeated: 0, lines: [] };

type Deps = Pick<ActivityDeps, 'pool' | 'backgroundPool' | 'now'>;

interface Pass {
  /** Said after every batch. */
  tell(progress: ImportProgress): void;
  /** Asked after every batch: whether the pass ends here. */
  ends(): boolean;
  /** Told of each line that came before the outcome of its operation: whoever follows that should look now. */
  wake(workflowId: string, operationId: string): void;
}

export async function importSettlement(
  deps: Deps & Pick<ActivityDeps, 'signal'>,
  work: ImportWork,
  evidenceSignal: string,
): Promise<ImportProgress> {
  const until = Date.now() + PASS_MS;
  const stopped = cancellationSignal();
  heartbeat({ attempt: activityInfo().attempt });
  return importPass(deps, work, {
    tell: heartbeat,
    ends() {
      if (stopped.aborted) throw stopped.reason;
      return Date.now() > until;
    },
    // Best effort: they look by themselves as well.
    wake: (workflowId, operationId) =>
      void deps.signal(workflowId, evidenceSignal, { operationId }).catch(() => undefined),
  });
}

/** One pass over the file: reads over the records that are done, and applies the others in batches. */
export async function importPass(
  deps: Deps,
  { tenant, importId: id }: ImportWork,
  pass: Pass,
): Promise<ImportProgress> {
  const pool = poolOf(deps);
  const ref = { tenant, id };
  await moveImport(pool, ref, ['queued'], { status: 'running', at: deps.now() });
  const row = await mustFind(deps, ref);
  if (row.status !== 'running') return progressOf(row);
  try {
    let under: Promise<boolean> = Promise.resolve(true);
    let from = row.records;
    for await (const batch of batchesOf(pool, ref, row)) {
      // The next batch is read while the database works on this one.
      const went = await under;
      pass.tell(progressOf(await mustFind(deps, ref)));
      if (!went || pass.ends()) return progressOf(await mustFind(deps, ref));
      under = applyBatch(deps, ref, row, from, batch, pass);
      // Awaited above, or below; until then a failure must not count as unheard.
      under.catch(() => undefined);
      from = batch.to;
    }
    if (!(await under)) return progressOf(await mustFind(deps, ref));
  } catch (error) {
    if (!(error instanceof UnreadableFile)) throw error;
    return endImport(deps, ref, { status: 'failed', failure: error.message });
  }
  return endImport(deps, ref, { status: 'completed' });
}

interface Batch {
  /** Records of the file up to the last one of it. */
  to: number;
  bytesRead: number;
  lines: FileLine[];
  rejects: Reject[];
}

/** A batch, and what can be said of its lines while the database works on the one before. */
interface Ready extends Batch {
  prepared: PreparedLines;
  linesSha256: string;
}

/** What is not done yet, in batches; the file is in memory one part at a time. */
async function* batchesOf(pool: Pool, ref: ImportRef, row: ImportRow): AsyncGenerator<Ready> {
  const reader = row.format === 'csv' ? csvReader(row.mapping) : camtReader();
  let count = 0;
  let bytesRead = 0;
  let batch: Batch = { to: 0, bytesRead: 0, lines: [], rejects: [] };
  const full = function* (records: FileRecord[]) {
    for (const record of records) {
      if (++count <= row.records) continue;
      add(batch, count, record);
      if (batch.lines.length + batch.rejects.length < BATCH) continue;
      yield ready({ ...batch, to: count, bytesRead });
      batch = { to: 0, bytesRead: 0, lines: [], rejects: [] };
    }
  };
  for (let number = 1; number <= row.parts; number++) {
    const bytes = await readPart(pool, ref, number);
    // Its parts go with the end of an import: somebody else has ended it.
    if (!bytes) return;
    for (let at = 0; at < bytes.length; at += SLICE) {
      const slice = bytes.subarray(at, at + SLICE);
      bytesRead += slice.length;
      await reader.write(slice);
      yield* full(reader.take());
      // The statements of the batch that is under way go on meanwhile.
      await setImmediate();
    }
  }
  await reader.end();
  yield* full(reader.take());
  if (batch.lines.length + batch.rejects.length > 0) yield ready({ ...batch, to: count, bytesRead });
}

function ready(batch: Batch): Ready {
  return { ...batch, prepared: prepareLines(batch.lines), linesSha256: hashOf(batch.lines) };
}

const hashOf = (lines: FileLine[]) => sha256Hex(canonicalJson(lines));

function add(batch: Batch, record: number, found: FileRecord): void {
  try {
    batch.lines.push(found.read());
  } catch (error) {
    if (!(error instanceof BadLine)) throw error;
    batch.rejects.push({ record, line: found.line, reason: error.message });
  }
}

/** One transaction: what the lines do, and how far the import is. False when another worker, or an end, came first. */
async function applyBatch(
  deps: Deps,
  ref: ImportRef,
  row: ImportRow,
  from: number,
  batch: Ready,
  pass: Pass,
): Promise<boolean> {
  const { tenant, id } = ref;
  const at = deps.now();
  const { rejects, to, bytesRead } = batch;
  const { processor, source } = row;
  const held = await holdBack(poolOf(deps), { tenant, source, processor, at, lines: batch.lines });
  const { lines } = held;
  const whole = lines.length === batch.lines.length;
  for (const { workflowId, evidenceFor } of held.awaiting) pass.wake(workflowId, evidenceFor);
  return inTransaction(poolOf(deps), async (db) => {
    const subject = toTypeId('imp', id);
    const body = {
      records: { from: from + 1, to },
      lines: lines.length,
      lines_sha256: whole ? batch.linesSha256 : hashOf(lines),
    };
    const fact = { type: 'settlement.lines_imported', actor: row.actor, subject, body };
    const apply = { tenant, source, processor, importId: id, at, lines: whole ? batch.prepared : prepareLines(lines) };
    const applied = lines.length > 0 ? await applyLines(db, apply, fact) : NOTHING;
    const { matched, exceptions } = applied;
    const counts = { matched, exceptions, repeated: applied.repeated + held.repeated, awaited: held.awaiting.length };
    const step = { from, to, bytesRead, ...counts, rejected: rejects.length, at };
    if (!(await advanceImport(db, ref, step))) throw new Overtaken();
    const room = Math.max(0, MOST_REJECTS - row.rejected);
    if (rejects.length > 0 && room > 0) await insertRejects(db, ref, rejects.slice(0, room));
    row.rejected += rejects.length;
    return true;
  }).catch((error: unknown) => {
    if (error instanceof Overtaken) return false;
    throw error;
  });
}

/** Undoes the transaction. */
class Overtaken extends Error {
  override readonly name = 'Overtaken';
}

/** Ends an import and records that; what another has ended stays as it is. */
export async function endImport(
  deps: Deps,
  ref: ImportRef,
  ending: { status: 'completed' } | { status: 'cancelled' } | { status: 'failed'; failure: string },
  actor = 'worker',
): Promise<ImportProgress> {
  const at = deps.now();
  await inTransaction(poolOf(deps), async (db) => {
    if (!(await moveImport(db, ref, ['receiving', 'queued', 'running'], { ...ending, at }))) return;
    await dropParts(db, ref);
    const row = (await findImport(db, ref.tenant, ref.id))!;
    const { records, matched, exceptions, awaited, repeated, rejected, sha256 } = row;
    const body = {
      records,
      matched,
      exceptions,
      awaited,
      repeated,
      rejected,
      file_sha256: sha256,
      ...('failure' in ending && { failure: ending.failure }),
    };
    const type = `settlement.import_${ending.status}`;
    await recordFact(db, { tenant: ref.tenant, at, type, actor, subject: toTypeId('imp', ref.id), body, events: [] });
  });
  return progressOf(await mustFind(deps, ref));
}

/**
 * Tells lifecycles that the money has come, so that they end now and not when settlement is overdue. Best effort for
 * each: what counts stands in the payment's row.
 */
export async function tellSettled(
  deps: Pick<ActivityDeps, 'pool' | 'backgroundPool' | 'now' | 'signal'>,
  { tenant, importId: id }: ImportWork,
  signalName: string,
): Promise<{ told: number; more: boolean }> {
  const ref = { tenant, id };
  let told = 0;
  for (;;) {
    const row = await mustFind(deps, ref);
    if (row.toldAt) return { told, more: false };
    if (told >= TELL_PER_PASS) return { told, more: true };
    const found = await findToTell(poolOf(deps), ref, row.toldAfter, TELL_AT_ONCE);
    await Promise.all(
      found.map(({ workflowId, complete }) => deps.signal(workflowId, signalName, { complete }).catch(() => false)),
    );
    heartbeat(told);
    told += found.length;
    await markTold(poolOf(deps), ref, found.at(-1)?.paymentId ?? null, found.length < TELL_AT_ONCE, deps.now());
  }
}

async function mustFind(deps: Pick<Deps, 'pool' | 'backgroundPool'>, { tenant, id }: ImportRef): Promise<ImportRow> {
  const row = await findImport(poolOf(deps), tenant, id);
  if (!row) throw new Error(`import ${id} is missing`);
  return row;
}

function poolOf({ pool, backgroundPool }: Pick<Deps, 'pool' | 'backgroundPool'>): Pool {
  return backgroundPool ?? pool;
}

function progressOf(row: ImportRow): ImportProgress {
  const { status, records, bytesRead, bytes, matched, exceptions, awaited, repeated, rejected, failure } = row;
  const progress = { status, records, bytesRead, bytes, matched, exceptions, awaited, repeated, rejected };
  return { ...progress, ...(failure !== null && { failure }) };
}
