import { z } from 'zod';
import { LINE_FIELDS } from '../../domain/settlement-file.ts';
import { OWN_COLUMNS, type CsvMapping } from '../../domain/settlement-mapping.ts';
import { type Reject } from '../../store/settlement/import-files.ts';
import { IMPORT_STATUSES, type ImportRow } from '../../store/settlement/imports.ts';
import { toTypeId } from '../../domain/ids.ts';
import { shortText, timeIn, timeOut, typeId } from '../schemas.ts';

/** Longest part as text: with what is around it, a body is at most 1 MB. */
const MAX_PART = 1_000_000;

const column = z.string().min(1).max(200);
const texts = z.array(z.string().min(1).max(100)).min(1).max(50);
const Mapping = z
  .strictObject({
    delimiter: z.enum([',', ';', '\t', '|']).default(',').meta({ example: ',' }),
    encoding: z.enum(['utf8', 'latin1']).default('utf8'),
    columns: z
      .strictObject(
        Object.fromEntries(
          LINE_FIELDS.map((field) => [field, z.union([column, z.array(column).min(1).max(8)]).optional()]),
        ),
      )
      .refine((columns) => ['line_id', 'type', 'amount', 'currency'].every((field) => columns[field] !== undefined), {
        error: 'must name line_id, type, amount and currency',
      })
      .refine((columns) => columns['payment'] !== undefined || columns['processor_reference'] !== undefined, {
        error: 'must name payment or processor_reference',
      })
      .default({ ...OWN_COLUMNS })
      .meta({ description: 'Name of the column by meaning; of several, their texts with slashes between' }),
    types: z.strictObject({ capture: texts, refund: texts }).optional(),
    amounts: z.enum(['major', 'minor']).default('minor'),
    decimal: z.enum(['.', ',']).default('.'),
    settlement_id: z.string().min(1).max(255).optional().meta({ description: 'Of lines that do not say it' }),
    settled_at: timeIn.optional(),
  })
  .meta({ id: 'SettlementMapping' });

const content = z.string().min(1).max(MAX_PART);
const encoding = z
  .enum(['utf8', 'base64'])
  .default('utf8')
  .meta({ description: 'How the bytes are written in `content`' });

export const ImportBody = z
  .strictObject({
    processor: z.string().min(1).max(100).meta({ example: 'alpha' }),
    format: z.enum(['csv', 'camt.053']).default('csv'),
    mapping: Mapping.optional().meta({
      description: 'What the columns of a CSV mean; without it, they are named as ours',
    }),
    file_name: shortText.optional(),
    content: content
      .optional()
      .meta({ description: 'A small file at once; it is worked off without further requests' }),
    encoding,
  })
  .meta({ id: 'SettlementImportRequest' });

export const PartBody = z
  .strictObject({
    number: z
      .int()
      .min(1)
      .max(10_000)
      .meta({ description: 'Place in the file, from 1; a part sent again replaces the first' }),
    content,
    encoding,
  })
  .meta({ id: 'SettlementImportPart' });

export const CompleteBody = z
  .strictObject({
    parts: z.int().min(1).max(10_000),
    sha256: z
      .string()
      .regex(/^[0-9a-f]{64}$/, { error: 'must be a SHA-256 in lower-case hexadecimal' })
      .optional(),
  })
  .meta({ id: 'SettlementImportComplete' });

export const ImportOutput = z
  .object({
    import_id: typeId('imp'),
    processor: z.string(),
    format: z.enum(['csv', 'camt.053']),
    file_name: z.string().nullable(),
    status: z.enum(IMPORT_STATUSES),
    parts: z.int(),
    bytes: z.int(),
    sha256: z.string().nullable(),
    progress: z.object({ records: z.int(), bytes: z.int(), percent: z.int() }),
    result: z.object({
      matched: z.int(),
      exceptions: z.int(),
      awaited: z.int().meta({ description: 'Of operations that had no outcome yet: applied once they have one' }),
      repeated: z.int(),
      rejected: z.int(),
    }),
    failure: z.string().nullable(),
    requested_at: timeOut,
    started_at: timeOut.nullable(),
    finished_at: timeOut.nullable(),
  })
  .meta({ id: 'SettlementImport' });

export const RejectOutput = z
  .object({ record: z.int(), line: z.int(), reason: z.string() })
  .meta({ id: 'SettlementImportReject' });

export function mappingOf(asked: z.output<typeof Mapping> | undefined): CsvMapping {
  const { delimiter, encoding: charset, columns, types, amounts, decimal, ...rest } = asked ?? Mapping.parse({});
  return {
    delimiter,
    encoding: charset,
    columns,
    rules: {
      amounts,
      decimal,
      ...(types && { types }),
      ...(rest.settlement_id !== undefined && { settlementId: rest.settlement_id }),
      ...(rest.settled_at && { settledAtMs: rest.settled_at.getTime() }),
    },
  };
}

export function printImport(row: ImportRow): z.input<typeof ImportOutput> {
  const { records, bytes, bytesRead, matched, exceptions, awaited, repeated, rejected } = row;
  const percent = row.status === 'completed' ? 100 : bytes === 0 ? 0 : Math.floor((100 * bytesRead) / bytes);
  return {
    import_id: toTypeId('imp', row.id),
    processor: row.processor,
    format: row.format,
    file_name: row.fileName,
    status: row.status,
    parts: row.parts,
    bytes,
    sha256: row.sha256,
    progress: { records, bytes: bytesRead, percent },
    result: { matched, exceptions, awaited, repeated, rejected },
    failure: row.failure,
    requested_at: row.requestedAt.toISOString(),
    started_at: row.startedAt?.toISOString() ?? null,
    finished_at: row.finishedAt?.toISOString() ?? null,
  };
}

export function printReject({ record, line, reason }: Reject): z.input<typeof RejectOutput> {
  return { record, line, reason };
}
