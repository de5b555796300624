import type { Tenant } from '../../domain/types.ts';
import type { Db } from '../pool.ts';

/** Under which name the notifications of an account are kept. */
export const sourceOf = (kind: string, midId: string) => `${kind}:${midId}`;

/** An account as a notification needs it. */
export interface NotifiedMid {
  id: string;
  tenant: Tenant;
  processor: string;
  mid: string;
  notify_secret_sealed: string | null;
}

/** An account of this kind, whoever's it is: a processor has no credential of ours, its signature is the proof. */
export async function findNotifiedMid(db: Db, id: string, kind: string): Promise<NotifiedMid | undefined> {
  const { rows } = await db.query<NotifiedMid>({
    name: 'find-notified-mid',
    text: `SELECT id, jsonb_build_object('orgId', org_id, 'mode', mode) AS tenant, processor, mid, notify_secret_sealed
             FROM mids WHERE id = $1 AND kind = $2`,
    values: [id, kind],
  });
  return rows[0];
}

/** What is kept of a notification: nothing of the payer, whatever the processor wrote into it. */
export interface KeptNews {
  event: string;
  operation?: string;
  operation_id?: string;
  payment_id?: string;
  /** As the port of processors has it. */
  outcome?: object;
  takes_back?: true;
}

/** What the account told about one of our operations, as `body` of the notifications that were kept. */
export async function newsOfOperation(db: Db, source: string, operationId: string): Promise<KeptNews[]> {
  const { rows } = await db.query<{ body: KeptNews }>({
    name: 'news-of-operation',
    text: `SELECT body FROM processor_notifications WHERE processor_kind = $1 AND body->>'operation_id' = $2
            ORDER BY received_at`,
    values: [source, operationId],
  });
  return rows.map(({ body }) => body);
}

/** The payment that went through this account under this name of the processor's. */
export async function paymentAtAccount(
  db: Db,
  { id, tenant }: NotifiedMid,
  processorReference: string,
): Promise<string | undefined> {
  const { rows } = await db.query<{ id: string }>({
    name: 'payment-at-account',
    text: `SELECT p.id FROM payments p
            WHERE p.org_id = $1 AND p.mode = $2 AND p.mid_id = $3
              AND (p.processor_reference = $4 OR p.renewals > 0 AND p.earlier_references @> ARRAY[$4])`,
    values: [tenant.orgId, tenant.mode, id, processorReference],
  });
  return rows[0]?.id;
}
