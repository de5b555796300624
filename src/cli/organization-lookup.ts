import type { Pool } from 'pg';
import { toTypeId } from '../domain/ids.ts';
import { findOrganization } from '../store/organizations.ts';
import { CommandError } from './output.ts';

/** @throws CommandError when there is no such organization */
export async function expectOrganization(pool: Pool, id: string): Promise<void> {
  if (await findOrganization(pool, id)) return;
  throw new CommandError(`There is no ${toTypeId('org', id)} here: \`prokura org list\` names all.`);
}
