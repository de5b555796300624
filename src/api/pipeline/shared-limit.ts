import type pg from 'pg';
import type { Logger } from 'pino';
import { RateLimiterMemory, type RateLimiterRes } from 'rate-limiter-flexible';
import { exchangeRates, forgetRates, type RateCount } from '../../store/rate-counts.ts';

/** How long a process may keep its use of limits to itself, milliseconds. */
export const EXCHANGE_MS = 250;
/** Names of one statement. */
const BATCH = 1_000;
/** Windows that have ended are forgotten this often, here and in the table. */
const TIDY_SECONDS = 60;

export interface Standing {
  allowed: boolean;
  remaining: number;
  /** Whole seconds until the window ends, at least 1. */
  resetSeconds: number;
}

interface Use extends RateCount {
  limit: SharedLimit;
  key: string;
  /** Of `used`, what was not sent yet. */
  pending: number;
  /** What other processes have used, as far as it was heard. */
  others: number;
}

/**
 * Carries use of limits to PostgreSQL and back in the background: one statement every 250 ms for whatever was used
 * meanwhile, none when nothing was. While PostgreSQL is away each process counts by itself.
 */
export class RateExchange {
  readonly #pool: pg.Pool;
  readonly #log: Logger;
  readonly #uses = new Map<string, Use>();
  readonly #due = new Set<Use>();
  #scheduled = false;
  #tidyAt = 0;
  #away = false;

  constructor(pool: pg.Pool, log: Logger) {
    this.#pool = pool;
    this.#log = log;
  }

  note(limit: SharedLimit, key: string, windowEnd: number): void {
    const name = `${limit.policy}:${key}`;
    const id = `${name}|${windowEnd}`;
    let use = this.#uses.get(id);
    if (!use) this.#uses.set(id, (use = { limit, key, name, windowEnd, used: 0, pending: 0, others: 0 }));
    use.used++;
    use.pending++;
    this.#due.add(use);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setTimeout(() => void this.#exchange(), EXCHANGE_MS).unref();
  }

  async #exchange(): Promise<void> {
    const now = Date.now() / 1000;
    const tidy = now >= this.#tidyAt;
    if (tidy) this.#forgetEnded(now);
    const due = [...this.#due].sort((a, b) => (a.name < b.name ? -1 : 1)).slice(0, BATCH);
    const sent = due.map((use) => ({ name: use.name, windowEnd: use.windowEnd, used: use.pending }));
    for (const use of due) {
      use.pending = 0;
      this.#due.delete(use);
    }
    try {
      for (const count of await exchangeRates(this.#pool, sent)) this.#hear(count);
      if (tidy) await forgetRates(this.#pool, Math.floor(now) - TIDY_SECONDS);
      this.#away = false;
    } catch (error) {
      if (!this.#away) this.#log.warn({ err: error }, 'rate limits are not shared: each process counts by itself');
      this.#away = true;
      for (const [index, use] of due.entries()) {
        use.pending += sent[index]!.used;
        this.#due.add(use);
      }
    }
    this.#scheduled = false;
    if (this.#due.size > 0) this.#schedule();
  }

  /** What all have used, less what this process has told of its own, is what others have. */
  #hear({ name, windowEnd, used }: RateCount): void {
    const use = this.#uses.get(`${name}|${windowEnd}`);
    if (!use) return;
    const others = used - (use.used - use.pending);
    if (others <= use.others) return;
    use.limit.usedElsewhere(use.key, windowEnd, others - use.others);
    use.others = others;
  }

  #forgetEnded(now: number): void {
    this.#tidyAt = now + TIDY_SECONDS;
    for (const [id, use] of this.#uses) {
      if (use.windowEnd >= now) continue;
      this.#uses.delete(id);
      this.#due.delete(use);
    }
  }
}

/**
 * So many uses per window and key, over all processes: each answers from memory at once and hears of the others within
 * about half a second, so that at most what they take in that time comes on top. Windows are those of the wall clock.
 */
export class SharedLimit {
  readonly policy: string;
  readonly quota: number;
  readonly windowSeconds: number;
  readonly #memory: RateLimiterMemory;
  readonly #exchange: RateExchange;

  constructor(policy: string, quota: number, windowSeconds: number, exchange: RateExchange) {
    this.policy = policy;
    this.quota = quota;
    this.windowSeconds = windowSeconds;
    this.#memory = new RateLimiterMemory({ points: quota, duration: windowSeconds });
    this.#exchange = exchange;
  }

  /** Uses the limit once, unless it is used up: refusals are not counted, and PostgreSQL does not hear of them. */
  async take(key: string): Promise<Standing> {
    const windowEnd = this.#windowEnd();
    const options = { customDuration: secondsUntil(windowEnd) };
    try {
      const result = await this.#memory.consume(`${key}|${windowEnd}`, 1, options);
      this.#exchange.note(this, key, windowEnd);
      return { allowed: true, remaining: result.remainingPoints, resetSeconds: options.customDuration };
    } catch (error) {
      // The library refuses by throwing the standing.
      if (error instanceof Error) throw error;
      return { allowed: false, remaining: 0, resetSeconds: options.customDuration };
    }
  }

  /** How things stand, without a use. */
  async standing(key: string): Promise<Standing> {
    const windowEnd = this.#windowEnd();
    const result: RateLimiterRes | null = await this.#memory.get(`${key}|${windowEnd}`);
    const remaining = result?.remainingPoints ?? this.quota;
    return { allowed: remaining > 0, remaining, resetSeconds: secondsUntil(windowEnd) };
  }

  /** What other processes have used since they were last heard of. */
  usedElsewhere(key: string, windowEnd: number, uses: number): void {
    const customDuration = secondsUntil(windowEnd);
    void this.#memory.penalty(`${key}|${windowEnd}`, uses, { customDuration });
  }

  #windowEnd(): number {
    const { windowSeconds } = this;
    return (Math.floor(Date.now() / 1000 / windowSeconds) + 1) * windowSeconds;
  }
}

function secondsUntil(unixSeconds: number): number {
  return Math.max(1, Math.ceil(unixSeconds - Date.now() / 1000));
}
