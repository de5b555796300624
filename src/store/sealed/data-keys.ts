import { dataKeyId, type Sealer } from '../../trust/seal.ts';
import type { Db } from '../pool.ts';
import { findSealedValue } from '../provisioning.ts';

/** The data keys of a process or a command: 32 bytes each, base64. */
export interface DataKeys {
  /** Seals. */
  present: string;
  /** Only open. */
  previous: readonly string[];
}

export interface DataKeyInUse {
  id: string;
  firstUsedAt: Date;
}

/** What values may be sealed with, oldest first. */
export async function listDataKeys(db: Db): Promise<DataKeyInUse[]> {
  const { rows } = await db.query<DataKeyInUse>(
    'SELECT id, first_used_at AS "firstUsedAt" FROM data_keys ORDER BY first_used_at, id',
  );
  return rows;
}

/** Of what is in use, the keys that are not among these. */
export function lackingOf(inUse: readonly DataKeyInUse[], { present, previous }: DataKeys): DataKeyInUse[] {
  const held = [present, ...previous].map(dataKeyId);
  return inUse.filter(({ id }) => !held.includes(id));
}

/**
 * Enters the key that a process is going to seal with, unless the process could not open all that is stored.
 * @returns why it must not start; `undefined` when it may
 */
export async function enterDataKey(db: Db, keys: DataKeys, sealer: Sealer): Promise<string | undefined> {
  const inUse = await listDataKeys(db);
  const [lacking] = lackingOf(inUse, keys);
  if (lacking) {
    return (
      `Secrets of this database are sealed with a data key that is not set here (id ${lacking.id}, in use since ` +
      `${lacking.firstUsedAt.toISOString()}): put it into PROKURA_DATA_KEY_PREVIOUS. If it is lost for good, ` +
      '`prokura keys reseal --abandon-unreadable` names what is lost with it.'
    );
  }
  // Written by versions that entered no keys, or by commands before the first start.
  const sealed = inUse.length === 0 ? await findSealedValue(db) : undefined;
  if (sealed !== undefined && !sealer.read(sealed)) {
    return (
      'PROKURA_DATA_KEY does not open the secrets of this database: set the key that they were sealed with, or put ' +
      'that one into PROKURA_DATA_KEY_PREVIOUS.'
    );
  }
  await noteDataKey(db, keys.present);
  return undefined;
}

export async function noteDataKey(db: Db, key: string): Promise<void> {
  await db.query('INSERT INTO data_keys (id) VALUES ($1) ON CONFLICT DO NOTHING', [dataKeyId(key)]);
}

/** To be called when nothing is sealed with another key any more. @returns the ids that were taken out */
export async function retireOtherDataKeys(db: Db, present: string): Promise<string[]> {
  const { rows } = await db.query<{ id: string }>('DELETE FROM data_keys WHERE id <> $1 RETURNING id', [
    dataKeyId(present),
  ]);
  return rows.map(({ id }) => id);
}
