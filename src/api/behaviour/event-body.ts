import { z } from 'zod';
import { bandOf } from '../../domain/behaviour/score.ts';
import { ACTION_TYPES, ACTION_WORDS } from '../../domain/behaviour/vocabulary.ts';
import type { BehaviourRow } from '../../store/behaviour/row.ts';
import { idOf, timeIn, timeOut, uuid } from '../schemas.ts';

/** Characters of the details of one event, as JSON. */
const LONGEST_DETAILS = 16_384;
export const LARGEST_BATCH = 1_000;

const actionType = z.enum(ACTION_WORDS as [string, ...string[]]).meta({
  description: 'One of the eight types of the contract, or a word of the two further vocabularies (docs/behaviour.md)',
});
const details = z
  .record(z.string(), z.unknown())
  .refine((value) => JSON.stringify(value).length <= LONGEST_DETAILS, {
    error: `must not be longer than ${LONGEST_DETAILS} characters of JSON`,
  })
  .optional();
const eventId = z
  .string()
  .min(1)
  .max(200)
  .optional()
  .meta({ description: 'Your own id of the event: sent again, it is stored once' });
const sessionId = z.string().min(1).max(255).optional();

const CamelCase = z.strictObject({
  agentId: idOf('agt'),
  actionType,
  chainId: z.guid().optional(),
  sessionId,
  occurredAt: timeIn.optional(),
  details,
  eventId,
});

const SnakeCase = z
  .strictObject({
    agent_id: idOf('agt'),
    action_type: actionType,
    chain_id: z.guid().optional(),
    session_id: sessionId,
    occurred_at: timeIn.optional(),
    payload: details,
    details,
    event_id: eventId,
  })
  .transform((body): z.output<typeof CamelCase> => ({
    agentId: body.agent_id,
    actionType: body.action_type,
    chainId: body.chain_id,
    sessionId: body.session_id,
    occurredAt: body.occurred_at,
    details: body.details ?? body.payload,
    eventId: body.event_id,
  }));

/** An event as it is reported; the second form is that of the contract's client libraries. */
export const EventInput = z.union([CamelCase, SnakeCase]);
export type EventInput = z.output<typeof EventInput>;

export const BatchInput = z.strictObject({ events: z.array(EventInput).min(1).max(LARGEST_BATCH) });

const riskBand = z.enum(['low', 'medium', 'high']);
const riskScore = z.number().min(0).max(1);

export const BehaviorEvent = z
  .object({
    id: uuid,
    agent_id: uuid,
    action_type: z.enum(ACTION_TYPES),
    risk_score: riskScore.meta({ description: 'The sum of the points of its factors, divided by 100' }),
    risk_band: riskBand.meta({ description: 'low below 0.30, high from 0.85' }),
    occurred_at: timeOut,
    details: z.record(z.string(), z.unknown()),
    received_at: timeOut,
    factors: z.array(z.object({ factor: z.string(), points: z.int(), detail: z.string() })),
    reported_as: z.string().nullable(),
    event_id: z.string().nullable(),
    chain_id: z.string().nullable(),
    session_id: z.string().nullable(),
    revocation_check_queued: z.boolean().meta({ description: 'It counts towards the end of the agent’s authority' }),
  })
  .meta({ id: 'BehaviorEvent' });

export const StoredEvent = z.object({
  id: uuid,
  agent_id: uuid,
  event_id: z.string().nullable(),
  risk_score: riskScore,
  risk_band: riskBand,
  duplicate: z.boolean().meta({ description: 'It was stored before, by this or another request' }),
});

export function printEvent(row: BehaviourRow) {
  return {
    id: row.id,
    agent_id: row.agentId,
    action_type: row.actionType,
    risk_score: row.points / 100,
    risk_band: bandOf(row.points),
    occurred_at: row.occurredAt.toISOString(),
    details: row.details,
    received_at: row.receivedAt.toISOString(),
    factors: row.factors,
    reported_as: row.reportedAs,
    event_id: row.clientEventId,
    chain_id: row.chainId,
    session_id: row.sessionId,
    revocation_check_queued: bandOf(row.points) === 'high',
  };
}
