import { z } from 'zod';
import { timeOut, typeId } from '../schemas.ts';

const hexHash = z.string().regex(/^[0-9a-f]{64}$/);
const base64Hash = z.string().meta({ description: '32 bytes, base64', example: `${'A'.repeat(43)}=` });

export const AuditEntry = z
  .object({
    entry_id: typeId('ae'),
    sequence: z.int(),
    org: typeId('org'),
    at: timeOut,
    type: z.string(),
    actor: z.string(),
    subject: z.string(),
    body: z.record(z.string(), z.unknown()),
    prev_hash: hexHash,
    entry_hash: hexHash,
    status: z.enum(['pending', 'anchored']).meta({ description: 'anchored = covered by a signed checkpoint' }),
  })
  .meta({ id: 'AuditEntry' });

export const AuditVerdict = z.object({
  valid: z.boolean(),
  entries_checked: z.int(),
  first_break: z.object({ sequence: z.int(), entry_id: typeId('ae').nullable(), reason: z.string() }).nullable(),
});

export const AuditCheckpoint = z
  .object({
    origin: z.string(),
    size: z.int().meta({ description: 'Entries 1 to this one are covered' }),
    root_hash: base64Hash,
    note: z.string().meta({ description: 'C2SP signed note; what is signed is in it' }),
    sealed_at: timeOut,
    key_id: z.string().meta({ description: 'RFC 7638 thumbprint; the key is in /.well-known/jwks.json' }),
    verifier_key: z.string().nullable().meta({
      description: 'The key in the form of C2SP signed notes; null when that key is no longer published',
    }),
  })
  .meta({ id: 'AuditCheckpoint' });

export const AuditProof = z
  .object({
    checkpoint: z.string().meta({ description: 'The newest checkpoint, a signed note' }),
    tree_size: z.int(),
    root_hash: base64Hash,
    inclusion: z
      .object({
        entry_id: typeId('ae'),
        sequence: z.int(),
        entry_hash: hexHash,
        leaf_index: z.int(),
        leaf_hash: base64Hash,
        hashes: z.array(base64Hash),
      })
      .optional(),
    consistency: z.object({ from_size: z.int(), hashes: z.array(base64Hash) }).optional(),
  })
  .meta({ id: 'AuditProof' });
