import { z } from 'zod';
import { SECTIONS } from '../../domain/compliance/duties.ts';
import { timeOut, typeId } from '../schemas.ts';

const Section = z.object({
  name: z.enum(SECTIONS),
  title: z.string(),
  serves: z
    .array(z.object({ law: z.enum(['EU AI Act', 'MiCA', 'DORA']), article: z.string(), about: z.string() }))
    .meta({ description: 'The duties that this part can be evidence for' }),
  summary: z.record(z.string(), z.int()),
  rows: z.array(z.record(z.string(), z.union([z.string(), z.number(), z.null()]))),
  rows_total: z.int(),
  truncated: z.boolean().meta({ description: 'More than 200 rows: the first of them are listed, all are counted' }),
});
export type Section = z.output<typeof Section>;

const base64 = z.string();

export const Report = z
  .object({
    format: z.literal('prokura-compliance/1'),
    notice: z.string(),
    laws: z.record(z.string(), z.string()),
    subject: z.object({ kind: z.enum(['agent', 'organization']), id: z.string(), name: z.string() }),
    mode: z.enum(['test', 'live']),
    period: z.object({ from: timeOut, to: timeOut }),
    generated_at: timeOut,
    sections: z.array(Section),
    audit_proof: z.object({
      entries: z.int().meta({ description: 'Entries of the whole trail in the period' }),
      first_sequence: z.int().nullable(),
      last_sequence: z.int().nullable(),
      anchored: z.int().meta({ description: 'Of these, under a signed checkpoint' }),
      checkpoint: z.string().nullable().meta({ description: 'C2SP signed note' }),
      key_id: z.string().nullable(),
      inclusion: z
        .object({
          entry_id: typeId('ae'),
          sequence: z.int(),
          entry_hash: z.string(),
          leaf_index: z.int(),
          leaf_hash: base64,
          tree_size: z.int(),
          root_hash: base64,
          hashes: z.array(base64),
        })
        .nullable()
        .meta({ description: 'RFC 9162 proof for the last sealed entry of the period' }),
      how_to_check: z.string(),
    }),
  })
  .meta({ id: 'ComplianceReport' });
export type Report = z.output<typeof Report>;
