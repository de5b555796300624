import { z } from 'zod';
import { toTypeId } from '../../domain/ids.ts';
import { EXCEPTION_KINDS } from '../../domain/settlement.ts';
import type { Tenant } from '../../domain/types.ts';
import type { Db } from '../../store/pool.ts';
import { listExceptions } from '../../store/settlement/exceptions.ts';
import { timeOut, typeId } from '../schemas.ts';

/** The rest is at `GET /v1/reconciliation/exceptions?payment_id=`. */
const MOST = 100;

export const OpenException = z
  .object({
    exception_id: typeId('rex'),
    kind: z.enum(EXCEPTION_KINDS),
    expected_minor: z.int().nullable(),
    actual_minor: z.int().nullable(),
    currency: z.string(),
    opened_at: timeOut,
    owner: z.string().nullable(),
  })
  .meta({ id: 'OpenException' });

/** What of the payment's settlement does not add up, and nobody has resolved; newest first. */
export async function openExceptions(
  db: Db,
  tenant: Tenant,
  paymentId: string,
): Promise<z.input<typeof OpenException>[]> {
  const rows = await listExceptions(db, tenant, { paymentId, open: true, limit: MOST });
  return rows.map(({ id, kind, expectedMinor, actualMinor, currency, openedAt, owner }) => ({
    exception_id: toTypeId('rex', id),
    kind,
    expected_minor: expectedMinor,
    actual_minor: actualMinor,
    currency,
    opened_at: openedAt.toISOString(),
    owner,
  }));
}
