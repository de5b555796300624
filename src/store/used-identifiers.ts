import { sha256 } from '../trust/canonical.ts';
import type { Db } from './pool.ts';

/** What carries an identifier that may be used once. */
export type SingleUse = 'dpop' | 'client_assertion' | 'actor_token' | 'http_signature' | 'x_signature';

/**
 * Uses an identifier up, for every process at once: of two that use it at the same time one gets `true`. A few of those
 * that have expired are forgotten in passing, without waiting for others who do the same.
 * @param owner whose it is: the same identifier of another owner is another one
 * @param until when what carried it is refused for its age in any case; kept a minute longer, for clocks differ
 */
export async function useOnce(
  db: Db,
  kind: SingleUse,
  owner: string,
  { identifier, until }: { identifier: string; until: Date },
): Promise<boolean> {
  const { rowCount } = await db.query({
    name: 'use-identifier-once',
    text: `WITH forgotten AS (
             DELETE FROM used_identifiers WHERE id IN (
               SELECT id FROM used_identifiers WHERE expires_at < now() LIMIT 20 FOR UPDATE SKIP LOCKED))
           INSERT INTO used_identifiers (id, expires_at) VALUES ($1, $2::timestamptz + interval '1 minute')
             ON CONFLICT (id) DO NOTHING`,
    values: [sha256(JSON.stringify([kind, owner, identifier])), until],
  });
  return rowCount === 1;
}
