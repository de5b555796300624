import type { ProblemCode } from '../errors.ts';

/** An operation whose outcome a person tells, and everything that speaks for or against it. */
export interface ResolutionFacts {
  type: 'authorize' | 'increment' | 'capture' | 'void' | 'refund';
  status: string;
  /** Of the operation, minor units. */
  operationMinor: number;
  /** The processor's reference of the payment, where it is known. */
  processorReference: string | null;
  told: { outcome: 'succeeded' | 'failed'; processorReference?: string | undefined; amountMinor?: number | undefined };
  /** Whoever resolves asked for the operation. */
  samePerson: boolean;
  /** What processor and settlement said of it for certain. */
  evidence: readonly ('succeeded' | 'failed')[];
  /** The processor said twice, the visibility lag apart, that it does not know it. */
  provenAbsent: boolean;
  /** A word of a person waits to be carried out. */
  awaited: boolean;
}

export interface ResolutionRefusal {
  code: ProblemCode;
  sentence: string;
  /** The member of the request that is to blame. */
  member?: 'processor_reference' | 'amount';
}

interface Check extends ResolutionRefusal {
  refuses: (facts: ResolutionFacts) => boolean;
}

const KNOWN: ReadonlySet<string> = new Set(['succeeded', 'declined', 'not_sent', 'reversed']);

/** Whether an operation has ended; the outcome of every other one is awaited, by whomever. */
export function isOutcomeKnown(status: string): boolean {
  return KNOWN.has(status);
}

/** In this order; the first that refuses is told. */
const CHECKS: readonly Check[] = [
  {
    code: 'invalid_payment_state',
    sentence: 'The outcome of the operation is known.',
    refuses: ({ status }) => isOutcomeKnown(status),
  },
  {
    code: 'invalid_payment_state',
    sentence: 'The processor is still being asked: a person is needed only past the deadline.',
    refuses: ({ status }) => status !== 'needs_review',
  },
  {
    code: 'approver_excluded',
    sentence: 'Whoever asked for the operation cannot say how it ended.',
    refuses: ({ samePerson }) => samePerson,
  },
  {
    code: 'evidence_contradicts',
    sentence: 'The processor, or a settlement, says otherwise.',
    refuses: ({ evidence, told }) => evidence.some((says) => says !== told.outcome),
  },
  {
    code: 'evidence_contradicts',
    sentence: 'The processor does not know the operation, and said so twice.',
    refuses: ({ provenAbsent, told }) => provenAbsent && told.outcome === 'succeeded',
  },
  {
    code: 'resource_conflict',
    sentence: 'It was resolved before, and that is being carried out.',
    refuses: ({ awaited }) => awaited,
  },
  {
    code: 'invalid_request',
    sentence: 'says nothing of an operation that failed, or of a void',
    member: 'amount',
    refuses: ({ told, type }) => told.amountMinor !== undefined && (told.outcome === 'failed' || type === 'void'),
  },
  {
    code: 'invalid_request',
    sentence: 'is more than was asked for',
    member: 'amount',
    refuses: ({ told, operationMinor }) => (told.amountMinor ?? 0) > operationMinor,
  },
  {
    code: 'invalid_request',
    sentence: 'is needed: without it a hold can be neither captured nor voided',
    member: 'processor_reference',
    refuses: ({ type, told, processorReference }) =>
      type === 'authorize' &&
      told.outcome === 'succeeded' &&
      (told.processorReference ?? processorReference ?? '') === '',
  },
  {
    code: 'invalid_request',
    sentence: 'differs from that of the payment',
    member: 'processor_reference',
    refuses: ({ told, processorReference }) =>
      told.processorReference !== undefined &&
      processorReference !== null &&
      told.processorReference !== processorReference,
  },
];

/** Why a person's word on an operation is not taken; undefined when it is. */
export function refuseResolution(facts: ResolutionFacts): ResolutionRefusal | undefined {
  return CHECKS.find(({ refuses }) => refuses(facts));
}
