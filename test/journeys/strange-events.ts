import { z } from 'zod';
import { CATALOGUE } from '../../src/api/events/catalogue/index.ts';
import type { EventType } from '../../src/domain/event-catalogue.ts';
import type { TestService } from '../setup/service.ts';

/** Every event that was told, against the schema of its type; a member that the schema does not list is strange too. */
export async function strangeEvents({ database }: Pick<TestService, 'database'>): Promise<string[]> {
  const { rows } = await database.pool.query<{ type: string; data: object }>('SELECT type, data FROM events');
  const strange = rows.flatMap(({ type, data }) => {
    const doc = CATALOGUE[type as EventType] as (typeof CATALOGUE)[EventType] | undefined;
    if (!doc) return [`${type} is not in the catalogue`];
    const { error } = doc.schema.safeParse(data);
    if (error) return [`${type}: ${error.message} in ${JSON.stringify(data)}`];
    const { properties = {} } = z.toJSONSchema(doc.schema, { io: 'input' });
    return Object.keys(data).flatMap((name) => (name in properties ? [] : [`${type} does not list ${name}`]));
  });
  return [...new Set(strange)];
}
