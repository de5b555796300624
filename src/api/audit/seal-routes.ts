import { Readable } from 'node:stream';
import { z } from 'zod';
import { Problem } from '../../domain/errors.ts';
import { toTypeId } from '../../domain/ids.ts';
import type { Tenant } from '../../domain/types.ts';
import { findAuditEntry, type AuditRow } from '../../store/audit.ts';
import { exportTrail } from '../../store/audit-export.ts';
import { latestCheckpoint, readTiles, type CheckpointRow } from '../../store/audit-tree.ts';
import type { Db } from '../../store/pool.ts';
import { hashesOf, tilesOf } from '../../trust/audit-tiles.ts';
import { auditLeaf } from '../../trust/audit-trail.ts';
import { parseNote, sealingKeys, verifierKey } from '../../trust/checkpoint.ts';
import { consistencyRanges, inclusionRanges, type Range } from '../../trust/merkle.ts';
import type { Signer } from '../../trust/signing.ts';
import type { ApiDeps } from '../deps.ts';
import { invalidRequest } from '../pipeline/invalid-request.ts';
import { route, type AnyRoute } from '../route.ts';
import { idOf } from '../schemas.ts';
import { AuditCheckpoint, AuditProof } from './schemas.ts';
import { auditRoute } from './shared.ts';

/** What others need to check the trail without trusting this service: checkpoint, proofs, export. */
export function sealRoutes({ signer }: Pick<ApiDeps, 'signer'>): AnyRoute[] {
  return [
    route({
      ...auditRoute,
      path: '/v1/audit/checkpoint',
      summary: 'The newest signed checkpoint of the trail.',
      mayBeAbsent: true,
      responses: { 200: AuditCheckpoint },
      handler: async ({ tenant, db }) => ({
        status: 200,
        body: printCheckpoint(await newestCheckpoint(db, tenant, signer), signer),
      }),
    }),
    route({
      ...auditRoute,
      path: '/v1/audit/proof',
      summary: 'Proves that an entry is in the newest checkpoint, or that the trail only grew since an earlier one.',
      mayBeAbsent: true,
      query: z.strictObject({
        entry_id: idOf('ae', 'aud').optional(),
        from_size: z.coerce
          .number()
          .int()
          .min(1)
          .max(Number.MAX_SAFE_INTEGER)
          .optional()
          .meta({ description: 'Size of a checkpoint that you kept', example: 41 }),
      }),
      responses: { 200: AuditProof },
      handler: async ({ query: { entry_id, from_size }, tenant, db }) => {
        if (entry_id === undefined && from_size === undefined) {
          throw invalidRequest('entry_id', 'is required, unless from_size is given');
        }
        const checkpoint = await newestCheckpoint(db, tenant, signer);
        const { size } = checkpoint;
        if (from_size !== undefined && from_size > size) {
          throw invalidRequest('from_size', `is above the size of the newest checkpoint, ${size}`);
        }
        const entry = entry_id === undefined ? undefined : await anchoredEntry(db, tenant, entry_id, size);
        const path = (ranges: Range[]) => provePath(db, tenant, ranges);
        return {
          status: 200,
          body: {
            checkpoint: checkpoint.note,
            tree_size: size,
            root_hash: parseNote(checkpoint.note)!.root.toString('base64'),
            ...(entry && {
              inclusion: {
                entry_id: toTypeId('ae', entry.id),
                sequence: entry.seq,
                entry_hash: entry.entryHash,
                leaf_index: entry.seq - 1,
                leaf_hash: auditLeaf(entry.entryHash).toString('base64'),
                hashes: await path(inclusionRanges(entry.seq - 1, size)),
              },
            }),
            ...(from_size !== undefined && {
              consistency: { from_size, hashes: await path(consistencyRanges(from_size, size)) },
            }),
          },
        };
      },
    }),
    route({
      ...auditRoute,
      path: '/v1/audit/export',
      summary: 'The whole trail with its checkpoints, as lines of JSON for `prokura verify audit`.',
      responses: { 200: { description: 'One JSON object a line', contentType: 'application/x-ndjson' } },
      handler: async ({ tenant, db }) => ({
        status: 200,
        contentType: 'application/x-ndjson; charset=utf-8',
        headers: { 'Content-Disposition': `attachment; filename="audit-${tenant.mode}.ndjson"` },
        body: Readable.from(lines(await exportTrail(db, tenant, { keys: signer.publicJwks }))),
      }),
    }),
  ];
}

async function newestCheckpoint(db: Db, tenant: Tenant, signer: Signer): Promise<CheckpointRow> {
  const checkpoint = await latestCheckpoint(db, tenant, [...sealingKeys(signer).keys()]);
  if (!checkpoint) throw new Problem('not_found', 'The trail has no checkpoint yet.');
  return checkpoint;
}

async function anchoredEntry(db: Db, tenant: Tenant, id: string, size: number): Promise<AuditRow> {
  const entry = await findAuditEntry(db, tenant, id);
  if (!entry) throw new Problem('not_found', 'Your organization has no such audit entry.');
  if (entry.seq > size) {
    throw new Problem('not_found', 'The entry is pending: no checkpoint covers it yet. Ask again in a while.');
  }
  return entry;
}

export async function provePath(db: Db, tenant: Tenant, ranges: Range[]): Promise<string[]> {
  const tiles = await readTiles(db, tenant, tilesOf(ranges));
  return hashesOf(ranges, tiles).map((hash) => hash.toString('base64'));
}

function printCheckpoint({ note, size, kid, sealedAt }: CheckpointRow, signer: Signer) {
  const { origin, root } = parseNote(note)!;
  const key = sealingKeys(signer).get(kid);
  return {
    origin,
    size,
    root_hash: root.toString('base64'),
    note,
    sealed_at: sealedAt.toISOString(),
    key_id: kid,
    verifier_key: key ? verifierKey(origin, key) : null,
  };
}

async function* lines(objects: AsyncIterable<object>): AsyncGenerator<string> {
  for await (const object of objects) yield `${JSON.stringify(object)}\n`;
}
