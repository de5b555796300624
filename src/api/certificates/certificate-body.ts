import { z } from 'zod';
import {
  CERTIFICATE_STATUSES,
  CERTIFIED_KEYS,
  certificateStatus,
  reasonNamed,
  REVOCATION_REASONS,
  type RevocationReason,
} from '../../domain/certificates.ts';
import type { CertificateRow } from '../../store/certificates/rows.ts';
import { toPem } from '../../trust/pki/der.ts';
import { timeOut, uuid } from '../schemas.ts';

/** Days that a certificate is good for, unless it is asked for less. */
export const LIFE_DAYS = 365;

const keyMembers = {
  csr_pem: z
    .string()
    .max(20_000)
    .optional()
    .meta({ description: 'PKCS #10, signed by the key that is to be certified; without it a key is made here' }),
  key: z.enum(CERTIFIED_KEYS).optional().meta({ description: 'Of what kind; `rsa-2048` unless said otherwise' }),
  validity_days: z.int().min(1).max(LIFE_DAYS).default(LIFE_DAYS),
};

const permittedActions = z
  .array(z.string().min(1).max(100))
  .max(50)
  .optional()
  .meta({ description: 'Stated in the certificate; what an agent may do here its delegations say' });

export const CertifyInput = z.strictObject({ ...keyMembers, permitted_actions: permittedActions });
export type CertifyOrder = z.output<typeof CertifyInput>;

const reasonCode = z.enum(Object.keys(REVOCATION_REASONS) as [RevocationReason, ...RevocationReason[]]);

export const RevokeInput = z.strictObject({
  reason: z.string().min(1).max(500),
  reason_code: reasonCode.default('unspecified').meta({ description: 'RFC 5280 §5.3.1' }),
});

export const Certificate = z
  .object({
    id: uuid,
    agent_id: uuid,
    serial_number: z.string().meta({ example: '4FBE0C14B1D5F1A0AABBCCDDEEFF0011' }),
    kms_key_arn: z
      .string()
      .meta({ description: 'The key that signed it: the ARN of a KMS key, or `local:` and an id' }),
    certificate_pem: z.string(),
    status: z.enum(CERTIFICATE_STATUSES),
    issued_at: timeOut,
    expires_at: timeOut,
    revoked_at: timeOut.nullable(),
    revocation_reason: z.string().nullable(),
    reason_code: reasonCode.nullable(),
    key_algorithm: z.string(),
    key_origin: z.enum(['held', 'requested']),
    private_key_available: z.boolean().meta({ description: 'The private key lies here and was not handed over yet' }),
    permitted_actions: z.array(z.string()),
    replaces: uuid.nullable().meta({ description: 'The certificate that this one renews' }),
  })
  .meta({ id: 'Certificate' });

export function printCertificate(row: CertificateRow) {
  return {
    id: row.id,
    agent_id: row.agentId,
    serial_number: row.serialNumber,
    kms_key_arn: row.keyRef,
    certificate_pem: toPem('CERTIFICATE', row.certificate),
    status: certificateStatus(row.status, row.expiresAt.getTime(), Date.now()),
    issued_at: row.issuedAt.toISOString(),
    expires_at: row.expiresAt.toISOString(),
    revoked_at: row.revokedAt?.toISOString() ?? null,
    revocation_reason: row.revocationReason,
    reason_code: row.reasonCode === null ? null : reasonNamed(row.reasonCode),
    key_algorithm: row.keyAlgorithm,
    key_origin: row.keyOrigin,
    private_key_available: row.keyHeld,
    permitted_actions: row.permittedActions,
    replaces: row.replaces,
  };
}
