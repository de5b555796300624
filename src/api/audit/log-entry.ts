import { z } from 'zod';
import { ID_PREFIXES, parseId } from '../../domain/ids.ts';
import type { AuditRow } from '../../store/audit.ts';
import { timeOut, uuid } from '../schemas.ts';

export const ACTOR_TYPES = ['user', 'agent', 'system'] as const;
export type ActorType = (typeof ACTOR_TYPES)[number];

/** An entry of the audit trail through the fields of the certificate contract. */
export const AuditLog = z
  .object({
    id: uuid,
    event_type: z.string(),
    actor_type: z.enum(ACTOR_TYPES),
    actor_id: z.string(),
    description: z.string().nullable(),
    affected_id: z.string().nullable(),
    metadata: z.record(z.string(), z.unknown()).nullable(),
    created_at: timeOut,
  })
  .meta({ id: 'AuditLog' });

/** First words of an actor, `system:…`, `agent:…`; every other one is somebody with a credential, or a person. */
const ACTORS: Readonly<Record<string, ActorType>> = {
  system: 'system',
  processor: 'system',
  agent: 'agent',
};

/** The first words of the actors of this type; `others` means every actor but those. */
export function actorsOf(type: ActorType): { words: string[]; others: boolean } {
  if (type === 'user') return { words: Object.keys(ACTORS), others: true };
  return { words: Object.keys(ACTORS).filter((word) => ACTORS[word] === type), others: false };
}

export function printLogEntry(row: AuditRow): z.input<typeof AuditLog> {
  const colon = row.actor.indexOf(':');
  const word = colon < 0 ? row.actor : row.actor.slice(0, colon);
  return {
    id: row.id,
    event_type: row.type,
    actor_type: ACTORS[word] ?? 'user',
    actor_id: colon < 0 ? row.actor : row.actor.slice(colon + 1),
    description: describe(row),
    // Bare, as ids print in this contract; what has no UUID, such as an OAuth client, as it is.
    affected_id: parseId(row.subject, ...ID_PREFIXES) ?? row.subject,
    metadata: {
      subject: row.subject,
      actor: row.actor,
      sequence: row.seq,
      entry_hash: row.entryHash,
      body: row.body,
    },
    created_at: row.at.toISOString(),
  };
}

function describe({ type, body }: AuditRow): string {
  const words = type.replaceAll(/[._]/g, ' ');
  const reason = body['reason'];
  return typeof reason === 'string' && reason !== '' ? `${words}: ${reason}` : words;
}

const CURSOR_DIGITS = 16;
const CURSOR = new RegExp(`^(\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3})(\\d{${CURSOR_DIGITS}})Z$`);

/**
 * `next_cursor` of this list is a date-time, since the contract has no other parameter to send it back in than `before`.
 * The digits behind its milliseconds are the number of the entry in the trail: entries of one moment stay apart.
 */
export function cursorOf(row: AuditRow): string {
  return row.at.toISOString().replace('Z', `${String(row.seq).padStart(CURSOR_DIGITS, '0')}Z`);
}

/** The number of the entry that a cursor of this list stands for; `undefined` for any other date-time. */
export function sequenceOf(before: string): number | undefined {
  const digits = CURSOR.exec(before)?.[2];
  return digits === undefined ? undefined : Number(digits);
}
