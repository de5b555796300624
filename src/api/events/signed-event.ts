import { z } from 'zod';
import { toTypeId } from '../../domain/ids.ts';
import type { EventRow } from '../../store/events.ts';
import { canonicalJson } from '../../trust/canonical.ts';
import type { Signer } from '../../trust/signing.ts';
import { timeOut, typeId } from '../schemas.ts';

export const SignedEvent = z
  .object({
    id: typeId('evt'),
    type: z.string(),
    occurred_at: timeOut,
    sequence: z.int(),
    subject: z.string(),
    data: z.record(z.string(), z.unknown()),
    audit_ref: typeId('aud'),
    signature: z.string().meta({
      description: 'Ed25519 over the RFC 8785 form of all other members, base64url; key `signature_key_id` of the JWKS',
    }),
  })
  .meta({ id: 'SignedEvent' });

export type SignedEventBody = z.output<typeof SignedEvent>;

export async function signedEvent(row: EventRow, signer: Pick<Signer, 'signDetached'>): Promise<SignedEventBody> {
  const event = {
    id: toTypeId('evt', row.id),
    type: row.type,
    occurred_at: row.occurredAt.toISOString(),
    sequence: row.sequence,
    subject: row.subject,
    data: row.data,
    audit_ref: toTypeId('aud', row.auditId),
  };
  return { ...event, signature: await signer.signDetached(canonicalJson(event)) };
}
