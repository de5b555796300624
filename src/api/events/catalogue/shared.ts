import { z } from 'zod';
import type { EventType } from '../../../domain/event-catalogue.ts';
import type { IdPrefix } from '../../../domain/ids.ts';
import { timeOut, typeId } from '../../schemas.ts';

/** One event of the catalogue: when it is told, what its `data` holds, and an example of it. */
export interface EventDoc {
  told: string;
  schema: z.ZodType;
  example: Record<string, unknown>;
}

/** The events of one family, by type. */
export type EventFamily<Prefix extends string> = Record<Extract<EventType, `${Prefix}.${string}`>, EventDoc>;

export const ORG = 'org_01h455vb4pex5vsknk084sn02q';
const AT = '2026-03-05T22:00:00.000Z';
export const ids = (prefix: Parameters<typeof typeId>[0]) => `${prefix}_01h455vb4pex5vsknk084sn02q`;

/** What every event has; members may be added, so that receivers must ignore what they do not know. */
export function dataOf<Shape extends z.ZodRawShape>(shape: Shape) {
  return z.looseObject({ org_id: typeId('org'), timestamp: timeOut, ...shape });
}

export function exampleOf(members: Record<string, unknown>): Record<string, unknown> {
  return { org_id: ORG, timestamp: AT, ...members };
}

export const minor = z.int().meta({ description: 'Minor units' });
export const currency = z.string().length(3);
/** An agent prints as its TypeID. */
export const agentId = typeId('agt');
export const anyId = (...prefixes: IdPrefix[]) =>
  z.string().regex(new RegExp(`^(?:${prefixes.join('|')})_[0-7][0-9a-hjkmnp-tv-z]{25}$`));
