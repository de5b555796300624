import type { Tenant } from '../../domain/types.ts';
import type { FactEvent } from '../facts.ts';
import type { Db } from '../pool.ts';

export interface CertificateEnd {
  tenant: Tenant;
  agentId: string;
  reason: string;
  actor: string;
  at: Date;
}

/**
 * The one place where an act against an agent takes its certificate away, in the same transaction. There are no
 * certificates to be taken away yet: an agent proves itself by its keys, and those stop with its status.
 * @returns the events that tell of it
 */
export function revokeCertificateOf(_db: Db, _end: CertificateEnd): Promise<FactEvent[]> {
  return Promise.resolve([]);
}
