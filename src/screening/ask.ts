import { NOTHING_FOUND, type Payee, type Screening } from '../domain/screening.ts';
import type { PayeeScreening } from './port.ts';

/**
 * Asks whoever screens, when somebody does. A screener that breaks its word not to throw, or says nothing, has not
 * screened: an operator looks, and the promise may be awaited later than it fails.
 */
export async function screenPayee(screening: PayeeScreening | undefined, payee: Payee): Promise<Screening | undefined> {
  if (!screening) return undefined;
  try {
    const found = (await screening.screen(payee)) as Screening | undefined;
    return found ?? FAILED;
  } catch {
    return FAILED;
  }
}

const FAILED: Screening = { ...NOTHING_FOUND, unavailable: 'whoever screens failed' };
