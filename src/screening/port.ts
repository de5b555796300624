import type { Payee, Screening } from '../domain/screening.ts';

/**
 * Whoever knows which payees are not to be paid. It answers in bounded time and never throws: what it cannot find out is
 * `unavailable`, and an operator looks.
 */
export interface PayeeScreening {
  screen(payee: Payee): Promise<Screening>;
  /** Ends what goes on in the background. */
  close(): void;
}
