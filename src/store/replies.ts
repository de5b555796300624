import { EventEmitter } from 'node:events';
import type { Tenant } from '../domain/types.ts';
import type { CommittedAnswer } from '../domain/messages.ts';
import type { Listener } from './listener.ts';
import type { Db } from './pool.ts';

const CHANNEL = 'prokura_reply';
/** PostgreSQL takes notifications below 8,000 bytes. */
const LARGEST_PAYLOAD = 7_900;

/** How the process that committed an answer tells the one that waits for it. */
export interface Replies {
  /** Names this process in requests, so that a commit elsewhere knows to speak up. */
  readonly processId: string;
  /** Called after a commit. In this process the waiter gets the answer itself; elsewhere, word that there is one. */
  announce(db: Db, tenant: Tenant, request: { key: string; replyTo: string }, answer: CommittedAnswer): Promise<void>;
  /** Resolves when something was committed under the key, or after `ms`; without an answer, the caller reads it. */
  next(tenant: Tenant, key: string, ms: number): Waiting;
}

export interface Waiting {
  committed: Promise<CommittedAnswer | undefined>;
  cancel(): void;
}

/** Replies within a process, and over LISTEN/NOTIFY once it follows a listener. */
export class ReplyBus implements Replies {
  readonly processId: string;
  readonly #emitter = new EventEmitter().setMaxListeners(0);

  constructor(processId: string) {
    this.processId = processId;
  }

  async announce(
    db: Db,
    tenant: Tenant,
    { key, replyTo }: { key: string; replyTo: string },
    answer: CommittedAnswer,
  ): Promise<void> {
    if (replyTo === this.processId) this.#emitter.emit(topic(tenant, key), answer);
    else {
      const whole = JSON.stringify({ topic: topic(tenant, key), answer });
      // What does not fit a notification is read by whoever waits; refusals, which are not stored, always fit.
      const payload =
        Buffer.byteLength(whole) < LARGEST_PAYLOAD ? whole : JSON.stringify({ topic: topic(tenant, key) });
      await db.query({ name: 'announce', text: `SELECT pg_notify('${CHANNEL}', $1)`, values: [payload] });
    }
  }

  next(tenant: Tenant, key: string, ms: number): Waiting {
    const name = topic(tenant, key);
    let finish: (answer?: CommittedAnswer) => void = () => undefined;
    const committed = new Promise<CommittedAnswer | undefined>((resolve) => {
      const timer = setTimeout(() => finish(), ms);
      finish = (answer) => {
        clearTimeout(timer);
        this.#emitter.off(name, finish);
        resolve(answer);
      };
      this.#emitter.on(name, finish);
    });
    return { committed, cancel: () => finish() };
  }

  /** Hears of commits in other processes once `listener` listens. While its connection is lost, waiters poll. */
  follow(listener: Listener): void {
    listener.on(CHANNEL, (payload) => {
      const { topic, answer } = JSON.parse(payload) as { topic: string; answer?: CommittedAnswer };
      this.#emitter.emit(topic, answer);
    });
  }
}

function topic({ orgId, mode }: Tenant, key: string): string {
  return `${orgId}:${mode}:${key}`;
}
