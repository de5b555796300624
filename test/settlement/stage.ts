import { importPass } from '../../src/activities/settlement/import.ts';
import type { ImportProgress } from '../../src/activities/settlement/types.ts';
import { toTypeId } from '../../src/domain/ids.ts';
import { OWN_COLUMNS } from '../../src/domain/settlement-mapping.ts';
import { storePart } from '../../src/store/settlement/import-files.ts';
import { insertImport, moveImport } from '../../src/store/settlement/imports.ts';
import { newId } from '../../src/trust/new-id.ts';
import { authorized, follow, succeed, type World } from '../store/world.ts';

export const HEADER = Object.values(OWN_COLUMNS).join(',');

export interface Captured {
  paymentId: string;
  operationId: string;
}

/** A payment of 100.00 EUR, captured at alpha. */
export async function captured(w: World, amountMinor = 100_00): Promise<Captured> {
  const paymentId = await authorized(w, amountMinor);
  const capture = (await follow(w, 'capture', paymentId))!;
  await succeed(w, capture);
  return { paymentId, operationId: capture.operationId };
}

/** The line that settles it, with what is wrong with it. */
export function lineOf({ paymentId, operationId }: Captured, id: string, wrong: Record<string, string> = {}): string {
  const right = {
    line_id: id,
    type: 'capture',
    reference: toTypeId('pay', paymentId),
    operation_id: toTypeId('op', operationId),
    amount_minor: '10000',
    fee_minor: '100',
    currency: 'EUR',
    settlement_id: 'batch-1',
    settled_at: '2026-03-05T22:00:00Z',
  };
  return Object.values({ ...right, ...wrong }).join(',');
}

/** An import of the file, ready to be worked off; in parts of `size` bytes. @returns its id */
export async function queued(w: World, file: string, size = 1_000_000): Promise<string> {
  const id = newId();
  const ref = { tenant: w.tenant, id };
  await insertImport(w.pool, w.tenant, {
    id,
    source: 'simulator:alpha',
    processor: 'alpha',
    format: 'csv',
    mapping: { delimiter: ',', encoding: 'utf8', columns: OWN_COLUMNS, rules: { amounts: 'minor', decimal: '.' } },
    fileName: null,
    actor: 'test',
    requestedAt: new Date(),
  });
  const bytes = Buffer.from(file);
  for (let at = 0, number = 1; at < bytes.length; at += size)
    await storePart(w.pool, ref, number++, bytes.subarray(at, at + size));
  await moveImport(w.pool, ref, ['receiving'], { status: 'queued', at: new Date() });
  return id;
}

/** Works it off, a pass after the other. */
export async function workOff(
  w: World,
  importId: string,
  ends: () => boolean = () => false,
  wake: (workflowId: string, operationId: string) => void = () => undefined,
): Promise<ImportProgress> {
  const deps = { pool: w.pool, now: () => new Date() };
  return importPass(deps, { tenant: w.tenant, importId }, { tell: () => undefined, ends, wake });
}
