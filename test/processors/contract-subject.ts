import type { FailureClass, MidAccount, ProcessorOutcome, ProcessorPort } from '../../src/processors/port.ts';
import type { EffectType } from '../../src/processors/simulator/server/effects.ts';

/** A true movement of money at the processor, as its oracle tells it. */
export interface MoneyEffect {
  type: EffectType;
  amount_minor: number;
  operation_id: string | null;
}

/** How the next request for a payment goes wrong; `no_op` is what the processor documents as having done nothing. */
export type Strike = 'lost_answer' | 'lost_request' | 'error_after_commit' | 'garbled_answer' | 'no_op' | 'slow';
export type StruckOperation = 'authorize' | 'increment' | 'capture' | 'void' | 'refund' | 'query';

/** Where processors differ, and the suite expects something else of them. Declared by each, and by that tested. */
export interface Capabilities {
  /** Whether a capture, void or refund is decided in its answer, or told afterwards. */
  modifications: 'in the answer' | 'by notification';
  /** Whether it can be asked about a payment. */
  question: 'by reference' | 'none';
  /** Whether it says when a hold ends. */
  tellsExpiry: boolean;
  /** What becomes of a request under a key whose first request still runs. */
  keyInUse: 'waits' | 'refused';
  /** Whether a final capture at `account` leaves the rest of the hold, so that it is to be voided. */
  finalCapture: 'lets go' | 'keeps the rest';
  /** How increments and captures beyond the hold are refused where they are not agreed on; absent: they always are. */
  notAgreed?: { increment: Refusal; beyond: Refusal };
  /** How a capture beyond the ceiling is refused where captures beyond the hold are agreed on. */
  beyondCeiling: Refusal;
}

export interface Refusal {
  class: FailureClass;
  code: string;
}

/** What an adapter brings to be tested with: itself, an account at a simulated processor, and that one's oracle. */
export interface ContractSubject {
  processor: ProcessorPort;
  account: MidAccount;
  can: Capabilities;
  /** An account whose captures let the rest go when they are final; `account` where that goes by request. */
  accountOfFinalCaptures?: MidAccount;
  /** An account whose holds can be raised, and captured beyond by up to half. */
  accountOfMore: MidAccount;
  /** What the processor notified about an operation, waited for; needed where it tells by notification only. */
  told?(operationId: string): Promise<ProcessorOutcome | undefined>;
  /** A payment token that is approved. */
  approved: string;
  /** Tokens that are not, and the class that each has to come out as. */
  declined: { token: string; class: FailureClass }[];
  effects(reference: string): Promise<MoneyEffect[]>;
  strike(reference: string, operation: StruckOperation, how: Strike): Promise<void>;
  stop(): Promise<void>;
}
