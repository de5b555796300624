import { z } from 'zod';
import { timeOut, typeId } from '../../schemas.ts';
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
    schema: dataOf({ agent_id: agentId }),
    example: exampleOf({ agent_id: ids('agt') }),
  },
  'agent.halted': {
    told: 'an agent was suspended, revoked or frozen',
    schema: dataOf({ agent_id: agentId, reason: reason.optional() }),
    example: exampleOf({ agent_id: ids('agt'), reason: 'acts strangely' }),
  },
};

const certificate = { agent_id: agentId, certificate_id: z.string(), serial_number: z.string() };
const ISSUED = {
  agent_id: ids('agt'),
  certificate_id: '01980c2e-7d4a-7c3e-9f21-5b8a4d6e7f10',
  serial_number: '4a1f',
};

export const CERTIFICATE_EVENTS: EventFamily<'certificate'> = {
  'certificate.issued': {
    told: 'an agent has a new certificate',
    schema: dataOf({ ...certificate, expires_at: timeOut.optional() }),
    example: exampleOf({ ...ISSUED, expires_at: '2027-03-05T22:00:00.000Z' }),
  },
  'certificate.revoked': {
    told: 'a certificate is good no longer',
    schema: dataOf({ ...certificate, reason: reason.optional() }),
    example: exampleOf({ ...ISSUED, reason: 'replaced' }),
  },
};
