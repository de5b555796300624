import type { Connection } from '@temporalio/client';
import { ensureNamespace } from '../../src/cli/provision/namespace.ts';
import { dropUnusedVisibilityIndexes } from './visibility-indexes.ts';

/**
 * The namespace with its search attributes, then, as only the server knows which columns those got, the indexes of
 * the others dropped. Safe to repeat.
 * @returns the names of the dropped indexes
 */
export async function prepareNamespace(options: {
  connection: Connection;
  namespace: string;
  visibilityUrl: string;
}): Promise<string[]> {
  await ensureNamespace(options.connection, options.namespace);
  return dropUnusedVisibilityIndexes(options);
}
