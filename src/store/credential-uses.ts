import type { Mode } from '../domain/types.ts';
import type { Db } from './pool.ts';

export interface CredentialUse {
  orgId: string;
  mode: Mode;
  /** UUID of the API key, or the client id. */
  credentialId: string;
  at: Date;
}

/** Keeps when credentials were last used, all in one statement; an earlier time never replaces a later one. */
export async function keepCredentialUses(db: Db, uses: CredentialUse[]): Promise<void> {
  await db.query({
    name: 'keep-credential-uses',
    text: `INSERT INTO credential_uses (org_id, mode, credential_id, last_used_at)
           SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::timestamptz[])
           ON CONFLICT (org_id, mode, credential_id)
           DO UPDATE SET last_used_at = GREATEST(credential_uses.last_used_at, excluded.last_used_at)`,
    values: [
      uses.map((use) => use.orgId),
      uses.map((use) => use.mode),
      uses.map((use) => use.credentialId),
      uses.map((use) => use.at),
    ],
  });
}
