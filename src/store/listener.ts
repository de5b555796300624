import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';

/** Time between two questions that prove that the connection still carries word, milliseconds. */
const PROOF_EVERY_MS = 300;
/** Without a proof for this long the connection counts as lost, milliseconds. */
const LOST_AFTER_MS = 3_000;
const RECONNECT_MS = 500;

/**
 * The connection of a process that hears of commits elsewhere (LISTEN/NOTIFY): one for all channels. It proves itself by
 * asking the server again and again, since a connection that was cut without a word looks like one on which nothing
 * happens. A lost one is made again until `close`.
 */
export class Listener {
  readonly #channels = new Map<string, (payload: string) => void>();
  readonly #gaps: (() => void)[] = [];
  #client: Client | undefined;
  #timer: NodeJS.Timeout | undefined;
  #url = '';
  #closed = false;
  #provenAt = -Infinity;

  /** To be called before `listen`: one handler per channel. */
  on(channel: string, handle: (payload: string) => void): void {
    this.#channels.set(channel, handle);
  }

  /** Calls `handle` whenever a connection begins to listen: what was said before it did, was not heard. */
  onGap(handle: () => void): void {
    this.#gaps.push(handle);
  }

  /**
   * Milliseconds since the moment up to which everything that was committed has been heard; infinite while there is no
   * connection. PostgreSQL hands out pending notifications before it answers a question on the same connection.
   */
  silentFor(): number {
    return performance.now() - this.#provenAt;
  }

  /** Connects. @throws when the first connection fails; later ones are tried until they succeed */
  async listen(databaseUrl: string): Promise<void> {
    this.#url = databaseUrl;
    await this.#connect();
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#provenAt = -Infinity;
    // A connection that was cut without a word never says that it has ended.
    await Promise.race([this.#client?.end(), sleep(1_000, undefined, { ref: false })]);
  }

  async #connect(): Promise<void> {
    const client = new Client({
      connectionString: this.#url,
      application_name: 'prokura-listener',
      connectionTimeoutMillis: LOST_AFTER_MS,
      query_timeout: LOST_AFTER_MS,
    });
    client.on('notification', ({ channel, payload }) => this.#channels.get(channel)?.(payload ?? ''));
    // Without a handler the event would end the process; the proof finds the loss.
    client.on('error', () => this.#lost(client));
    client.on('end', () => this.#lost(client));
    this.#client = client;
    try {
      await client.connect();
      for (const channel of this.#channels.keys()) await client.query(`LISTEN ${channel}`);
    } catch (error) {
      this.#client = undefined;
      client.end().catch(() => undefined);
      throw error;
    }
    if (this.#closed) return client.end();
    for (const handle of this.#gaps) handle();
    await this.#prove(client);
  }

  async #prove(client: Client): Promise<void> {
    const asked = performance.now();
    try {
      await client.query('SELECT 1');
    } catch {
      this.#lost(client);
      return;
    }
    if (this.#client !== client || this.#closed) return;
    this.#provenAt = asked;
    this.#timer = setTimeout(() => void this.#prove(client), PROOF_EVERY_MS).unref();
  }

  #lost(client: Client): void {
    if (this.#client !== client || this.#closed) return;
    this.#client = undefined;
    this.#provenAt = -Infinity;
    clearTimeout(this.#timer);
    client.end().catch(() => undefined);
    this.#again();
  }

  #again(): void {
    this.#timer = setTimeout(() => {
      this.#connect().catch(() => (this.#closed ? undefined : this.#again()));
    }, RECONNECT_MS).unref();
  }
}
