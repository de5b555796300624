import type { Client } from '@temporalio/client';

/** Longer than this, and somebody else tries again. */
const WITHIN_MS = 5_000;

/** Starts or tells a workflow of something that the database has already: a row says what is to be done, should it fail. */
export function handOver<T>(client: Client, work: () => Promise<T>): Promise<T> {
  return client.withDeadline(Date.now() + WITHIN_MS, work);
}
