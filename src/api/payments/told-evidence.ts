import type { ProcessorOutcome } from '../../processors/port.ts';
import type { Evidence } from '../../store/payments/evidence.ts';

/**
 * What a notification says of an operation, as evidence.
 * @param takesBack it failed after it had succeeded
 */
export function evidenceOf(outcome: ProcessorOutcome, takesBack: true | undefined, at: Date): Evidence {
  const source = 'notification';
  switch (outcome.status) {
    case 'succeeded':
      return { source, says: outcome.status, ...picked(outcome), amountMinor: outcome.amountMinor, at };
    case 'pending':
      return { source, says: outcome.status, ...picked(outcome), at };
    case 'failed':
      return { source, says: takesBack ? 'reversed' : outcome.status, detail: outcome.code, at };
    case 'unknown':
      return { source, says: outcome.status, detail: outcome.reason, at };
  }
}

const picked = ({ processorReference }: { processorReference: string }) => ({ processorReference });
