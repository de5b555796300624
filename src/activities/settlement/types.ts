import type { Tenant } from '../../domain/types.ts';

export interface ImportWork {
  tenant: Tenant;
  importId: string;
}

/** How far an import is. */
export interface ImportProgress {
  status: 'receiving' | 'queued' | 'running' | 'completed' | 'cancelled' | 'failed';
  records: number;
  bytesRead: number;
  bytes: number;
  matched: number;
  exceptions: number;
  /** Of operations that had no outcome yet. */
  awaited: number;
  repeated: number;
  rejected: number;
  failure?: string;
}

export interface SettlementActivities {
  /** Works the file off for some time, from where the last pass ended. May be run again, and beside itself. */
  importSettlement(work: ImportWork): Promise<ImportProgress>;
  /** Ends it where it stands, unless it has ended. */
  giveUpImport(work: ImportWork, why: { cancelled: true } | { failure: string }): Promise<ImportProgress>;
  /** Tells lifecycles of an import that the money has come. `more`: not all of them yet. */
  tellSettled(work: ImportWork): Promise<{ told: number; more: boolean }>;
}
