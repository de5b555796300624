import { z } from 'zod';
import { REVOCATION_REASONS, type RevocationReason } from '../../../domain/certificates.ts';
import { timeOut, typeId, uuid } from '../../schemas.ts';
import { agentId, dataOf, exampleOf, ids, type EventFamily } from './shared.ts';

const reason = z.string().nullable();

export const DELEGATION_EVENTS: EventFamily<'delegation'> = {
  'delegation.created': {
    told: 'an agent was given authority',
    schema: dataOf({
      delegation_id: typeId('del'),
      agent_id: z.string(),
      principal_id: z.string(),
      expires_at: timeOut,
    }),
    example: exampleOf({
      delegation_id: ids('del'),
      agent_id: ids('agt'),
      principal_id: ids('prn'),
      expires_at: '2026-04-05T22:00:00.000Z',
    }),
  },
  'delegation.revoked': {
    told: 'by itself, with an ancestor, or with its agent or principal',
    schema: dataOf({ delegation_id: typeId('del'), agent_id: agentId, reason }),
    example: exampleOf({ delegation_id: ids('del'), agent_id: ids('agt'), reason: 'replaced' }),
  },
};

export const AGENT_EVENTS: EventFamily<'agent'> = {
  'agent.trust_changed': {
    told: 'what an agent is trusted with has changed',
    schema: dataOf({ agent_id: agentId, tier: z.string(), previous_tier: z.string(), score: z.number() }),
    example: exampleOf({ agent_id: ids('agt'), tier: 'trusted', previous_tier: 'new', score: 72.5 }),
  },
  'agent.halted': {
    told: 'an agent was suspended, revoked or frozen',
    schema: dataOf({
      agent_id: agentId,
      reason: reason.optional(),
      status: z.string().optional(),
      freeze_id: typeId('frz').optional().meta({ description: 'The freeze that is in force' }),
      cause: z.enum(['behaviour', 'operator']).optional().meta({ description: 'Of a halt' }),
      events: z
        .array(z.object({ id: uuid, occurred_at: timeOut, risk_score: z.number() }))
        .optional()
        .meta({ description: 'The behaviour that ended its authority' }),
    }),
    example: exampleOf({ agent_id: ids('agt'), reason: 'acts strangely', cause: 'operator', freeze_id: ids('frz') }),
  },
};

const reasonCode = z.enum(Object.keys(REVOCATION_REASONS) as [RevocationReason, ...RevocationReason[]]);
const certificate = { agent_id: agentId, certificate_id: z.string(), serial_number: z.string() };
const ISSUED = {
  agent_id: ids('agt'),
  certificate_id: '01980c2e-7d4a-7c3e-9f21-5b8a4d6e7f10',
  serial_number: '4a1f',
};

export const CERTIFICATE_EVENTS: EventFamily<'certificate'> = {
  'certificate.issued': {
    told: 'an agent has a new certificate',
    schema: dataOf({ ...certificate, expires_at: timeOut }),
    example: exampleOf({ ...ISSUED, expires_at: '2027-03-05T22:00:00.000Z' }),
  },
  'certificate.revoked': {
    told: 'a certificate is good no longer',
    schema: dataOf({ ...certificate, reason: z.string(), reason_code: reasonCode }),
    example: exampleOf({ ...ISSUED, reason: 'renewed', reason_code: 'superseded' }),
  },
};
