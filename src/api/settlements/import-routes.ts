import { z } from 'zod';
import { listRejects } from '../../store/settlement/import-files.ts';
import { findImport, IMPORT_STATUSES, listImports, type ImportRow } from '../../store/settlement/imports.ts';
import type { Tenant } from '../../domain/types.ts';
import { decodeCursor, encodeCursor } from '../cursor.ts';
import type { ApiDeps } from '../deps.ts';
import { found } from '../not-found.ts';
import { route, type AnyRoute, type RouteContext } from '../route.ts';
import { idOf, listOf, pageQuery } from '../schemas.ts';
import {
  CompleteBody,
  ImportBody,
  ImportOutput,
  PartBody,
  printImport,
  printReject,
  RejectOutput,
} from './import-body.ts';
import { addPart, beginImport, cancelImport, completeImport } from './import-changes.ts';

const reading = { tags: ['Settlement'], scope: 'payments:read', idempotency: 'none', replay: 'none' } as const;
const writing = { tags: ['Settlement'], scope: 'payments:write', idempotency: 'optional', replay: 'stored' } as const;
const params = z.object({ id: idOf('imp') });
const root = '/v1/settlements/imports';

/** Files of settlement lines: sent whole or in parts, worked off by a durable workflow. */
export function importRoutes({ lifecycle }: ApiDeps): AnyRoute[] {
  const start = ({ tenant, afterCommit }: Pick<RouteContext, 'afterCommit'> & { tenant: Tenant }, row: ImportRow) => {
    if (row.status === 'queued') afterCommit(() => void lifecycle.settlementImport({ tenant, id: row.id }));
  };
  return [
    route({
      ...writing,
      method: 'post',
      path: root,
      summary: 'Begins the import of a settlement file; a small one comes with it.',
      description:
        'A larger file is sent in parts (`/parts`), and is worked off once it is complete (`/complete`). Every line is ' +
        'applied once, by its id: a file sent twice changes nothing. Lines that cannot be read are reported by their ' +
        'number, and do not stop the others.',
      body: ImportBody,
      example: {
        processor: 'alpha',
        content:
          'line_id,type,reference,operation_id,amount_minor,fee_minor,currency,settlement_id,settled_at\n' +
          'line-1,capture,pay_01k0000000000000000000000a,,120000,1200,EUR,batch-7,2026-03-05\n',
      },
      responses: { 201: ImportOutput },
      handler: async ({ body, ...change }) => {
        const row = await beginImport(change, body);
        start(change, row);
        return { status: 201, body: printImport(row) };
      },
    }),
    route({
      ...writing,
      method: 'post',
      path: `${root}/:id/parts`,
      summary: 'Stores a part of the file.',
      params,
      body: PartBody,
      example: { number: 1, content: 'line_id,type\n' },
      responses: { 200: ImportOutput },
      handler: async ({ params: { id }, body, ...change }) => ({
        status: 200,
        body: printImport(await addPart(change, id, body)),
      }),
    }),
    route({
      ...writing,
      method: 'post',
      path: `${root}/:id/complete`,
      summary: 'Says that all parts were sent; a worker begins.',
      params,
      body: CompleteBody,
      example: { parts: 1 },
      responses: { 202: ImportOutput },
      handler: async ({ params: { id }, body, ...change }) => {
        const row = await completeImport(change, id, body);
        start(change, row);
        return { status: 202, body: printImport(row) };
      },
    }),
    route({
      ...writing,
      method: 'post',
      path: `${root}/:id/cancel`,
      summary: 'Ends an import where it stands: what was applied stays.',
      params,
      responses: { 200: ImportOutput },
      handler: async ({ params: { id }, ...change }) => ({
        status: 200,
        body: printImport(await cancelImport(change, id)),
      }),
    }),
    ...readRoutes(),
  ];
}

function readRoutes(): AnyRoute[] {
  return [
    route({
      ...reading,
      method: 'get',
      path: root,
      summary: 'Imports of settlement files, newest first.',
      query: z.strictObject({ ...pageQuery, status: z.enum(IMPORT_STATUSES).optional() }),
      responses: { 200: listOf(ImportOutput) },
      handler: async ({ query: { cursor, limit, status }, tenant, db }) => {
        const before = cursor === undefined ? undefined : (decodeCursor(cursor, ['uuid'])[0] as string);
        const rows = await listImports(db, tenant, { status, before, limit: limit + 1 });
        const page = rows.slice(0, limit);
        const next_cursor = rows.length > limit ? encodeCursor([page.at(-1)!.id]) : null;
        return { status: 200, body: { data: page.map(printImport), next_cursor } };
      },
    }),
    route({
      ...reading,
      method: 'get',
      path: `${root}/:id`,
      summary: 'An import: how far it is, and what became of its lines.',
      params,
      responses: { 200: ImportOutput },
      handler: async ({ params: { id }, tenant, db }) => ({
        status: 200,
        body: printImport(found(await findImport(db, tenant, id), 'import', 'id')),
      }),
    }),
    route({
      ...reading,
      method: 'get',
      path: `${root}/:id/rejects`,
      summary: 'Lines of the file that could not be read, and why; the first 10,000 of them.',
      params,
      query: z.strictObject(pageQuery),
      responses: { 200: listOf(RejectOutput) },
      handler: async ({ params: { id }, query: { cursor, limit }, tenant, db }) => {
        found(await findImport(db, tenant, id), 'import', 'id');
        const after = cursor === undefined ? undefined : (decodeCursor(cursor, ['number'])[0] as number);
        const rows = await listRejects(db, { tenant, id }, { after, limit: limit + 1 });
        const page = rows.slice(0, limit);
        const next_cursor = rows.length > limit ? encodeCursor([page.at(-1)!.record]) : null;
        return { status: 200, body: { data: page.map(printReject), next_cursor } };
      },
    }),
  ];
}
