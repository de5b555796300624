import { Client } from 'pg';

/** One round trip to PostgreSQL. */
export interface RoundTrip {
  /** Name of the prepared statement, or the beginning of the text. */
  name: string;
  /** `application_name` of its connection: `prokura` is the service itself. */
  application: string;
}

/** Polling of the worker process, which asks whether or not anybody pays, and what is written in batches now and then. */
const BACKGROUND = new Set([
  'find-due-endpoints',
  'find-untold-endpoints',
  'find-trust-due',
  'forget-risk-counts',
  'find-undriven-backtests',
  'find-undriven-stops',
  'find-undriven-reviews',
  'date-review',
  'mark-review-driven',
  'find-forgotten-operations',
  'find-unapplied-resolutions',
  'find-awaited-lines',
  'find-undriven-disputes',
  'find-owed-looks',
  'keep-credential-uses',
  'exchange-rates',
  'forget-rates',
]);

/**
 * Counts what this process sends to PostgreSQL, from now on. `Client.prototype.query` is where every way of asking ends:
 * pools, transactions and single clients.
 */
export function countQueries(): {
  /** Transactions so far at one database, by whoever in this process, and connections made to it. */
  totals(database: string): { transactions: number; connections: number };
  /** What the service itself sent while `work` was under way, without its background. */
  during<T>(work: () => Promise<T>): Promise<{ result: T; sent: string[] }>;
  stop(): void;
} {
  const trips: RoundTrip[] = [];
  const totals = new Map<string, { transactions: number; connections: number }>();
  const inTransaction = new WeakSet<Client>();
  const totalsOf = (database: string) => {
    const known = totals.get(database) ?? { transactions: 0, connections: 0 };
    totals.set(database, known);
    return known;
  };
  // oxlint-disable-next-line typescript/unbound-method -- the proxies call them with their client
  const { query, connect } = Client.prototype;
  Client.prototype.query = new Proxy(query, {
    apply(target, client: Client, args: unknown[]) {
      const asked = args[0] as string | { name?: string; text?: string };
      const name = typeof asked === 'string' ? asked : (asked.name ?? asked.text ?? '');
      const { application_name, database } = connectionOf(client);
      trips.push({ name: name.trim().split('\n')[0]!.slice(0, 60), application: application_name ?? '' });
      if (!inTransaction.has(client)) totalsOf(database).transactions++;
      if (name === 'BEGIN') inTransaction.add(client);
      if (name === 'COMMIT' || name === 'ROLLBACK') inTransaction.delete(client);
      return Reflect.apply(target, client, args) as unknown;
    },
  });
  Client.prototype.connect = new Proxy(connect, {
    apply(target, client: Client, args: unknown[]) {
      totalsOf(connectionOf(client).database).connections++;
      return Reflect.apply(target, client, args) as unknown;
    },
  });
  return {
    totals: totalsOf,
    async during(work) {
      const from = trips.length;
      const result = await work();
      const sent = trips.slice(from).filter((trip) => trip.application === 'prokura' && !BACKGROUND.has(trip.name));
      return { result, sent: sent.map((trip) => trip.name) };
    },
    stop() {
      Client.prototype.query = query;
      Client.prototype.connect = connect;
    },
  };
}

function connectionOf(client: Client): { application_name?: string; database: string } {
  return (client as unknown as { connectionParameters: { application_name?: string; database: string } })
    .connectionParameters;
}
