import type { ExposureCap } from '../domain/exposure.ts';
import type { Tenant } from '../domain/types.ts';
import type { Db } from './pool.ts';

/** What is open of one kind: `amountMinor` in minor units of `currency`. */
export interface OpenLiability {
  principalId: string;
  agentId: string;
  currency: string;
  /**
   * `waiting`: for the principal or an operator; `pending`: sent to a processor, outcome open; `mandate`: what open
   * mandates still let be spent, which counts against no cap, as what delegations still allow does not.
   */
  kind: 'waiting' | 'approval' | 'pending' | 'hold' | 'mandate';
  amountMinor: number;
}

export interface ExposureFilter {
  /** A principal's id, or the organization's own. */
  principalId?: string;
  agentId?: string;
}

/** One cap of a party, and what counts against it now. */
export interface CapRow {
  party: ExposureCap['party'];
  partyId: string;
  currency: string;
  capMinor: number;
  openMinor: number;
}

/** What is open now, per principal, agent, currency and kind; and the caps of whoever was asked for, or of everyone. */
export async function findExposure(
  db: Db,
  tenant: Tenant,
  filter: ExposureFilter,
): Promise<{ open: OpenLiability[]; caps: CapRow[] }> {
  const { rows } = await db.query<{ open: OpenLiability[]; caps: CapRow[] }>({
    name: 'find-exposure',
    text: `
SELECT COALESCE((SELECT jsonb_agg(to_jsonb(x)) FROM (
         SELECT principal_id AS "principalId", agent_id AS "agentId", currency, kind, sum(amount_minor) AS "amountMinor"
           FROM open_liabilities
          WHERE org_id = $1 AND mode = $2 AND ($3::uuid IS NULL OR principal_id = $3)
            AND ($4::uuid IS NULL OR agent_id = $4)
          GROUP BY 1, 2, 3, 4
         UNION ALL
         SELECT COALESCE(u.principal_id, u.org_id), u.agent_id, u.currency, 'mandate', sum(u.limit_minor - u.spent_minor)
           FROM mandate_uses u
          WHERE u.org_id = $1 AND u.mode = $2 AND u.open AND u.limit_minor > u.spent_minor AND u.agent_id IS NOT NULL
            AND (u.expires_at IS NULL OR u.expires_at > now())
            AND ($3::uuid IS NULL OR COALESCE(u.principal_id, u.org_id) = $3) AND ($4::uuid IS NULL OR u.agent_id = $4)
          GROUP BY 1, 2, 3) x), '[]') AS open,
       COALESCE((SELECT jsonb_agg(jsonb_build_object(
           'party', c.party, 'partyId', c.party_id, 'currency', c.currency, 'capMinor', c.cap_minor,
           'openMinor', open_exposure($1, $2, c.party, c.party_id, c.currency)) ORDER BY c.party, c.party_id, c.currency)
         FROM exposure_caps c
        WHERE c.org_id = $1 AND c.mode = $2
          AND ($3::uuid IS NULL AND $4::uuid IS NULL OR c.party_id IN ($3, $4))), '[]') AS caps`,
    values: [tenant.orgId, tenant.mode, filter.principalId ?? null, filter.agentId ?? null],
  });
  return rows[0]!;
}

/** Replaces the caps of a party, in the caller's transaction; none of them lifts the limit. */
export async function replaceExposureCaps(
  db: Db,
  tenant: Tenant,
  { party, partyId }: Pick<CapRow, 'party' | 'partyId'>,
  caps: Pick<CapRow, 'currency' | 'capMinor'>[],
  at: Date,
): Promise<void> {
  await db.query('DELETE FROM exposure_caps WHERE org_id = $1 AND mode = $2 AND party_id = $3', [
    tenant.orgId,
    tenant.mode,
    partyId,
  ]);
  await db.query(
    `INSERT INTO exposure_caps (org_id, mode, party, party_id, currency, cap_minor, set_at)
     SELECT $1, $2, $3, $4, c.currency, c.cap_minor, $6
       FROM jsonb_to_recordset($5::jsonb) AS c(currency text, cap_minor bigint)`,
    [
      tenant.orgId,
      tenant.mode,
      party,
      partyId,
      JSON.stringify(caps.map(({ currency, capMinor }) => ({ currency, cap_minor: capMinor }))),
      at,
    ],
  );
}
