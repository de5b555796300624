import { createHash } from 'node:crypto';
import type { z } from 'zod';
import { Problem } from '../../domain/errors.ts';
import { toTypeId } from '../../domain/ids.ts';
import type { Tenant } from '../../domain/types.ts';
import { recordFact } from '../../store/facts.ts';
import { listMids } from '../../store/mids.ts';
import type { Db } from '../../store/pool.ts';
import { dropParts, partsAreWhole, readPart, storedBytes, storePart } from '../../store/settlement/import-files.ts';
import { findImport, insertImport, moveImport, type ImportRow } from '../../store/settlement/imports.ts';
import { newId } from '../../trust/new-id.ts';
import { found } from '../not-found.ts';
import { invalidRequest } from '../pipeline/invalid-request.ts';
import { mappingOf, type CompleteBody, type ImportBody, type PartBody } from './import-body.ts';

interface Change {
  db: Db;
  tenant: Tenant;
  actor: string;
}

/** Of one file, and of all that an organization has stored and that are not done, bytes. */
const MOST_BYTES = 512 * 1_024 * 1_024;
const MOST_STORED = 4 * MOST_BYTES;

/** Begins an import; with `content` it is whole, and a worker begins. */
export async function beginImport(
  { db, tenant, actor }: Change,
  body: z.output<typeof ImportBody>,
): Promise<ImportRow> {
  const { processor, format, mapping, file_name: fileName = null } = body;
  if (format !== 'csv' && mapping) throw invalidRequest('mapping', 'is of CSV only');
  const account = (await listMids(db, tenant)).find((mid) => mid.processor === processor);
  if (!account) throw invalidRequest('processor', 'is none at which there is an account');
  const id = newId();
  const at = new Date();
  await insertImport(db, tenant, {
    id,
    source: `${account.kind}:${processor}`,
    processor,
    format,
    mapping: mappingOf(mapping),
    fileName,
    actor,
    requestedAt: at,
  });
  await record({ db, tenant, actor }, id, 'settlement.import_begun', { processor, format, file_name: fileName }, at);
  if (body.content !== undefined) {
    await addPart({ db, tenant, actor }, id, { number: 1, content: body.content, encoding: body.encoding });
    return completeImport({ db, tenant, actor }, id, { parts: 1 });
  }
  return (await findImport(db, tenant, id))!;
}

export async function addPart(change: Change, id: string, part: z.output<typeof PartBody>): Promise<ImportRow> {
  const { db, tenant } = change;
  const row = await receiving(change, id);
  const bytes = Buffer.from(part.content, part.encoding);
  // Base64 that is none is skipped over by the decoder, and not refused.
  if (part.encoding === 'base64' && bytes.toString('base64').replace(/=+$/, '') !== part.content.replace(/=+$/, ''))
    throw invalidRequest('content', 'is not base64');
  if (row.bytes + bytes.length > MOST_BYTES)
    throw invalidRequest('content', `makes the file larger than ${MOST_BYTES} bytes`);
  if ((await storedBytes(db, tenant)) + bytes.length > MOST_STORED) {
    throw new Problem('unprocessable', 'Too many files are being imported: wait for one of them, or cancel it.');
  }
  await storePart(db, { tenant, id }, part.number, bytes);
  return (await findImport(db, tenant, id))!;
}

/** The file is whole: a worker begins once this is committed. */
export async function completeImport(
  change: Change,
  id: string,
  { parts, sha256 }: z.output<typeof CompleteBody>,
): Promise<ImportRow> {
  const { db, tenant } = change;
  const ref = { tenant, id };
  await receiving(change, id);
  if (!(await partsAreWhole(db, ref, parts))) throw invalidRequest('parts', 'are not all there, or there are more');
  const hash = createHash('sha256');
  for (let number = 1; number <= parts; number++) hash.update((await readPart(db, ref, number))!);
  const seen = hash.digest('hex');
  if (sha256 !== undefined && sha256 !== seen) throw invalidRequest('sha256', 'is not the hash of the parts that came');
  const at = new Date();
  await moveImport(db, ref, ['receiving'], { status: 'queued', sha256: seen, at });
  await record(change, id, 'settlement.import_requested', { file_sha256: seen, parts }, at);
  return (await findImport(db, tenant, id))!;
}

/** Ends it where it stands: what was applied stays. One that has ended stays as it is. */
export async function cancelImport(change: Change, id: string): Promise<ImportRow> {
  const { db, tenant } = change;
  const ref = { tenant, id };
  found(await findImport(db, tenant, id, true), 'import', 'id');
  const at = new Date();
  if (await moveImport(db, ref, ['receiving', 'queued', 'running'], { status: 'cancelled', at })) {
    await dropParts(db, ref);
    await record(change, id, 'settlement.import_cancelled', {}, at);
  }
  return (await findImport(db, tenant, id))!;
}

async function receiving({ db, tenant }: Change, id: string): Promise<ImportRow> {
  const row = found(await findImport(db, tenant, id, true), 'import', 'id');
  if (row.status !== 'receiving') {
    const why = row.status === 'cancelled' ? 'nothing more is taken' : 'its file is whole';
    throw new Problem('unprocessable', `The import is ${row.status}: ${why}.`);
  }
  return row;
}

async function record({ db, tenant, actor }: Change, id: string, type: string, body: object, at: Date): Promise<void> {
  await recordFact(db, { tenant, at, type, actor, subject: toTypeId('imp', id), body, events: [] });
}
