import { z } from 'zod';
import { CERTIFICATE_STATUSES, certificateStatus } from '../../domain/certificates.ts';
import { TRUST_TIERS, trustAt } from '../../domain/trust-score.ts';
import type { AgentCertificate, AgentRow } from '../../store/agents.ts';
import { DidRefused, jwkOfDid, parseDid, webAddressOf } from '../../trust/did.ts';
import { parseSpiffeId } from '../../trust/spiffe.ts';
import { idOf, metadata, timeOut, uuid } from '../schemas.ts';
import { KeyInput } from './key-body.ts';

const FinancialScope = z
  .strictObject({
    max_single_trade_usd: z.number().positive(),
    daily_limit_usd: z.number().positive(),
    permitted_instruments: z.array(z.string()),
    permitted_venues: z.array(z.string()),
    leverage_permitted: z.boolean(),
    max_leverage_ratio: z.number().positive().optional(),
  })
  .meta({ id: 'FinancialScope' });

export const AGENT_STATUSES = ['pending', 'active', 'suspended', 'retired'] as const;

/** A DID; one of the methods whose keys we read must be one that they can be read from. */
const did = z
  .string()
  .max(2_048)
  .superRefine((text, ctx) => {
    const refuse = (message: string) => ctx.addIssue({ code: 'custom', message });
    const parsed = parseDid(text);
    if (!parsed) return refuse('must be a DID');
    try {
      jwkOfDid(parsed);
      webAddressOf(parsed);
    } catch (error) {
      refuse(error instanceof DidRefused ? error.message : 'must be a DID');
    }
  })
  .meta({ description: '`did:web`, `did:key` or `did:jwk`; keys of other methods are not read' });

const spiffeId = z
  .string()
  .refine((text) => parseSpiffeId(text) !== undefined, {
    error: 'must be the SPIFFE id of a workload, such as spiffe://acme.example/agents/buyer',
  })
  .meta({ example: 'spiffe://acme.example/agents/buyer' });

export const AgentInput = z
  .strictObject({
    name: z.string().min(1).max(255),
    model_hash: z.string().min(1).max(500).optional(),
    model: z.string().max(500).optional(),
    version: z.string().max(255).optional(),
    description: z.string().max(5_000).optional(),
    financial_scope: FinancialScope.optional(),
    metadata: metadata.optional(),
    principal_id: idOf('prn').optional(),
    keys: z.array(KeyInput).max(20).optional(),
    did: did.optional(),
    spiffe_id: spiffeId.optional(),
  })
  .refine((agent) => agent.model_hash !== undefined || agent.principal_id !== undefined, {
    path: ['model_hash'],
    error: 'is required unless principal_id is given',
  });

export const AgentPatch = z.strictObject({
  name: z.string().min(1).max(255).optional(),
  model_hash: z.string().min(1).max(500).optional(),
  model: z.string().max(500).nullable().optional(),
  version: z.string().max(255).nullable().optional(),
  description: z.string().max(5_000).nullable().optional(),
  metadata: metadata.nullable().optional(),
  did: did.nullable().optional(),
  spiffe_id: spiffeId.nullable().optional(),
});

export const Agent = z
  .object({
    id: uuid,
    tenant_id: uuid,
    name: z.string(),
    model: z.string().nullable(),
    model_hash: z.string().meta({ description: 'Empty when the agent was registered by its principal alone' }),
    version: z.string().nullable(),
    status: z.enum(AGENT_STATUSES),
    inbox_address: z.string().nullable(),
    metadata: z.record(z.string(), z.unknown()).nullable(),
    created_at: timeOut,
    updated_at: timeOut,
    description: z.string().nullable(),
    financial_scope: FinancialScope.nullable(),
    principal_id: uuid.nullable(),
    did: z.string().nullable(),
    spiffe_id: z.string().nullable(),
    revocation_reason: z.string().nullable(),
    trust: z
      .object({ score: z.number(), tier: z.enum(TRUST_TIERS), updated_at: timeOut.nullable() })
      .meta({ description: 'What became of what it asked for: 0 to 100 (docs/risk.md)' }),
    certificate: z
      .object({ id: uuid, serial_number: z.string(), status: z.enum(CERTIFICATE_STATUSES), expires_at: timeOut })
      .nullable()
      .meta({ description: 'The newest one' }),
  })
  .meta({ id: 'Agent' });

export function printAgent(row: AgentRow) {
  return {
    id: row.id,
    tenant_id: row.orgId,
    name: row.name,
    model: row.model,
    model_hash: row.modelHash ?? '',
    version: row.version,
    status: row.status,
    // No mail is received for agents here.
    inbox_address: null,
    metadata: row.metadata,
    created_at: row.createdAt.toISOString(),
    updated_at: row.updatedAt.toISOString(),
    description: row.description,
    financial_scope: row.financialScope,
    principal_id: row.principalId,
    did: row.did,
    spiffe_id: row.spiffeId,
    revocation_reason: row.revocationReason,
    trust: {
      score: trustAt(row.trust ?? undefined, Date.now()),
      tier: row.trust?.tier ?? 'new',
      updated_at: row.trust ? new Date(row.trust.atMs).toISOString() : null,
    },
    certificate: row.certificate && printAgentCertificate(row.certificate),
  };
}

function printAgentCertificate({ id, serial_number, status, expires_at }: AgentCertificate) {
  const expiresAt = new Date(expires_at);
  return {
    id,
    serial_number,
    status: certificateStatus(status, expiresAt.getTime(), Date.now()),
    expires_at: expiresAt.toISOString(),
  };
}
