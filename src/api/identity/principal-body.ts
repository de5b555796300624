import { z } from 'zod';
import { toTypeId } from '../../domain/ids.ts';
import type { PrincipalRow, StoredAttestation } from '../../store/principals.ts';
import { countryCode, metadata, reference, shortText, timeIn, timeOut, typeId } from '../schemas.ts';

const METHODS = ['totp', 'webauthn', 'approval'] as const;
export const PRINCIPAL_TYPES = ['person', 'organization'] as const;
export const PRINCIPAL_STATUSES = ['active', 'suspended', 'closed'] as const;

const AttestationInput = z
  .strictObject({
    type: reference.meta({ example: 'identity_document' }),
    claim: shortText.optional().meta({ description: 'What is attested, in words or as a value' }),
    source: reference.meta({ description: 'Who attests it', example: 'kyc.example' }),
    reference: reference.optional().meta({ description: 'Its name at the source' }),
    issued_at: timeIn.optional(),
    expires_at: timeIn.optional(),
  })
  .refine(({ issued_at, expires_at }) => !issued_at || !expires_at || issued_at < expires_at, {
    path: ['expires_at'],
    error: 'must be after issued_at',
  });

export const PrincipalInput = z.strictObject({
  external_ref: reference,
  type: z.enum(PRINCIPAL_TYPES),
  name: shortText,
  email: z.email().max(320).optional(),
  phone: z
    .string()
    .regex(/^\+[1-9][0-9]{6,14}$/, { error: 'must be an E.164 number, such as +442071838750' })
    .optional()
    .meta({ example: '+442071838750' }),
  country: countryCode.optional(),
  step_up: z.strictObject({ methods: z.array(z.enum(METHODS)).max(METHODS.length) }).optional(),
  attestations: z
    .array(AttestationInput)
    .max(50)
    .optional()
    .meta({ description: 'Takes the place of all that were given before' }),
  metadata: metadata.optional(),
});

export const Principal = z
  .object({
    principal_id: typeId('prn'),
    external_ref: z.string(),
    type: z.enum(PRINCIPAL_TYPES),
    name: z.string(),
    email: z.string().optional(),
    phone: z.string().optional(),
    country: z.string().optional(),
    status: z.enum(PRINCIPAL_STATUSES),
    step_up: z.object({ methods: z.array(z.string()), totp: z.enum(['none', 'unconfirmed', 'confirmed']) }),
    attestations: z.array(
      z.object({
        type: z.string(),
        claim: z.string().optional(),
        source: z.string(),
        reference: z.string().optional(),
        issued_at: timeOut.optional(),
        expires_at: timeOut.optional(),
        status: z.enum(['valid', 'not_yet_valid', 'expired']),
      }),
    ),
    metadata: z.record(z.string(), z.unknown()),
    created_at: timeOut,
    updated_at: timeOut,
  })
  .meta({ id: 'Principal' });

export function storedAttestation(input: z.output<typeof AttestationInput>): StoredAttestation {
  const { issued_at, expires_at, ...rest } = input;
  return { ...rest, issued_at: issued_at?.toISOString(), expires_at: expires_at?.toISOString() };
}

export function printPrincipal(row: PrincipalRow, now: Date) {
  return {
    principal_id: toTypeId('prn', row.id),
    external_ref: row.externalRef,
    type: row.type,
    name: row.name,
    email: row.email ?? undefined,
    phone: row.phone ?? undefined,
    country: row.country ?? undefined,
    status: row.status,
    step_up: {
      methods: row.stepUpMethods,
      totp: row.totpConfirmedAt ? 'confirmed' : row.totpEnrolled ? 'unconfirmed' : 'none',
    },
    attestations: row.attestations.map((one) => ({ ...one, status: standingOf(one, now) })),
    metadata: row.metadata,
    created_at: row.createdAt.toISOString(),
    updated_at: row.updatedAt.toISOString(),
  };
}

function standingOf({ issued_at, expires_at }: StoredAttestation, now: Date): 'valid' | 'not_yet_valid' | 'expired' {
  if (expires_at !== undefined && new Date(expires_at) <= now) return 'expired';
  return issued_at !== undefined && new Date(issued_at) > now ? 'not_yet_valid' : 'valid';
}
