import type { ProcessorOutcome } from '../port.ts';
import { classOfCode } from './decline-codes.ts';
import type { OperationView } from './wire.ts';

/** What an operation of the wire format means at the port; answers, queries and notifications share it. */
export function outcomeOf(view: OperationView): ProcessorOutcome {
  switch (view.state) {
    case 'pending':
      return { status: 'pending', processorReference: view.processor_reference };
    case 'succeeded':
      return {
        status: 'succeeded',
        processorReference: view.processor_reference,
        amountMinor: view.amount_minor,
        ...(view.expires_at === undefined ? {} : { expiresAt: view.expires_at }),
        ...(view.captured === true ? { captured: true } : {}),
      };
    case 'declined':
    case 'refused':
    case 'returned': {
      const code = view.code ?? 'unspecified';
      return { status: 'failed', class: classOfCode(code), code, message: view.message ?? code };
    }
  }
}
