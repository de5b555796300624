import type { ListedEffect } from '../domain/coverage.ts';
import type { FailureClass } from '../domain/failures.ts';
import type { DisputeStatus } from '../domain/payment/dispute.ts';
import type { Settlement } from '../domain/settlement.ts';

export type { ListedEffect } from '../domain/coverage.ts';
export type { FailureClass } from '../domain/failures.ts';
export type { SettlementLine } from '../domain/settlement.ts';

/**
 * The processor port: what the money activities need from a payment processor, whichever it is.
 *
 * Contract for implementers
 * - One call is one HTTP exchange, at most. No retries inside: the caller decides what may be repeated.
 * - Never throw for what the processor or the network did: every outcome is a value. Throw only for programming errors.
 * - `operationId` is sent as the processor's idempotency key; `reference` (our payment id) is stored at the processor,
 *   so that `query` finds the payment without any id of the processor's.
 * - Whether a request was sent is decided conservatively: only a failed connect (refused, DNS, TLS) or an answer that
 *   the processor documents as a no-op is `not_sent` or `throttled`; a read timeout, reset, 5xx or unparseable answer
 *   is `unknown`, since money may have moved.
 */
export interface ProcessorPort {
  readonly kind: string;
  authorize(request: AuthorizeRequest): Promise<ProcessorOutcome>;
  /** Whether a final capture leaves the rest of the hold there: it is voided once the capture has succeeded. */
  keepsRest?(account: Pick<MidAccount, 'capabilities'>): boolean;
  /** Raises a hold; absent where that cannot be done. Granted wholly or not at all. */
  increment?(request: IncrementRequest): Promise<ProcessorOutcome>;
  capture(request: CaptureRequest): Promise<ProcessorOutcome>;
  void(request: VoidRequest): Promise<ProcessorOutcome>;
  refund(request: RefundRequest): Promise<ProcessorOutcome>;
  /** What the processor knows under our reference. `absent` is one sighting only; see `docs/failures.md`. */
  query(request: QueryRequest): Promise<QueryOutcome>;
  /**
   * What the account did since a time, as the processor itself lists it, whoever asked for it: captures, refunds, and
   * refunds that came back. Absent where there is no such list to ask for.
   */
  effects?(request: EffectsRequest): Promise<EffectsOutcome>;
  /** Absent where disputes are dealt with at the processor's own dashboard: what becomes of them is told by it. */
  disputes?: DisputePort;
}

export interface EffectsRequest {
  account: MidAccount;
  /** RFC 3339, inclusive, by the processor's clock. */
  since: string;
  /** `next` of the page before. */
  cursor?: string | undefined;
  timeoutMs: number;
}

export type EffectsOutcome =
  /** A page; the last one has no `next`. `until`: what happened later may be missing yet (RFC 3339). */
  | { status: 'listed'; effects: ListedEffect[]; until: string; next?: string }
  | { status: 'unanswered'; reason: string };

/** What can be done with a dispute at a processor. The contract is that of the port; `actId` is the idempotency key. */
export interface DisputePort {
  submitEvidence(request: DisputeAct & { evidence: Record<string, unknown> }): Promise<DisputeOutcome>;
  accept(request: DisputeAct): Promise<DisputeOutcome>;
}

export interface DisputeAct {
  account: MidAccount;
  processorDisputeId: string;
  actId: string;
  timeoutMs: number;
}

export type DisputeOutcome =
  /** The dispute is now as told. */
  | { status: 'taken'; dispute: DisputeTold }
  | { status: 'refused'; code: string }
  /** Not sent, or nobody knows: repeated with the same key. */
  | { status: 'unanswered'; reason: string };

export interface DisputeTold {
  processorDisputeId: string;
  /** Our payment id in TypeID form. */
  reference: string;
  status: DisputeStatus;
  reason?: string;
  amountMinor: number;
  currency: string;
  /** RFC 3339. */
  evidenceDueAt?: string;
}

/** An account at a processor, as the activity received it from the database (credentials already opened). */
export interface MidAccount {
  processor: string;
  mid: string;
  baseUrl: string;
  apiKey: string;
  /** What the account can do, where that is no property of the kind: what is not said, it cannot. */
  capabilities?: Readonly<Record<string, unknown>>;
}

interface Call {
  account: MidAccount;
  /** Idempotency key at the processor; stable over retries and crashes. */
  operationId: string;
  /** Our payment id in TypeID form (`pay_…`). */
  reference: string;
  /** Bound for the whole exchange, milliseconds. */
  timeoutMs: number;
}

export interface AuthorizeRequest extends Call {
  amountMinor: number;
  currency: string;
  token: string;
  merchantReference?: string;
  capture: 'manual' | 'automatic';
}
export interface IncrementRequest extends Call {
  processorReference: string;
  /** What the hold is raised by. */
  amountMinor: number;
  /** What it was approved for so far: some processors want to be told the sum. */
  authorizedMinor: number;
  currency: string;
}
export interface CaptureRequest extends Call {
  processorReference: string;
  amountMinor: number;
  currency: string;
  final: boolean;
  /** Of it, what is not held: the account takes captures of more, up to its ceiling. */
  beyondMinor?: number;
  /** What the authorization was approved for: a capture of all of it is final by itself. */
  authorizedMinor?: number;
}
export interface VoidRequest extends Call {
  processorReference: string;
}
export interface RefundRequest extends Call {
  processorReference: string;
  amountMinor: number;
  currency: string;
}
export interface QueryRequest {
  account: MidAccount;
  reference: string;
  operationId: string;
  timeoutMs: number;
  /** What was asked for; without it an authorization. */
  operation?: 'authorize' | 'increment' | 'capture' | 'void' | 'refund';
  /** The processor's name of the payment, once it is known: what it is found by without delay. */
  processorReference?: string;
  currency?: string;
}

export type ProcessorOutcome =
  | {
      status: 'succeeded';
      processorReference: string;
      /** What really moved; an authorization may be approved for less. */
      amountMinor: number;
      /** RFC 3339; for authorizations, when the hold ends at the processor. */
      expiresAt?: string;
      /** Set when the processor captured at once, as asked (`capture: 'automatic'`). */
      captured?: boolean;
    }
  | { status: 'pending'; processorReference: string }
  | { status: 'failed'; class: Exclude<FailureClass, 'unknown' | 'pending'>; code: string; message: string }
  | { status: 'unknown'; reason: string };

export type QueryOutcome =
  | { status: 'found'; outcome: ProcessorOutcome }
  | { status: 'absent' }
  /** The question itself could not be answered; ask again later. */
  | {
      status: 'unanswered';
      reason: string;
      /**
       * The processor has no such question: what it notified counts, and without that the same operation under the same
       * key at the same address is the question; it is done once, and its first answer repeated.
       */
      repeat?: true;
    };

/** What a processor tells us by itself, after its signature was checked; `eventId` makes it replay-safe. */
export type ProcessorNotification =
  | {
      type: 'operation';
      eventId: string;
      /** The processor that speaks; event ids are unique within it. */
      processor: string;
      operation: 'authorize' | 'increment' | 'capture' | 'void' | 'refund';
      operationId: string;
      reference: string;
      outcome: ProcessorOutcome;
      /** It failed after it had succeeded. */
      takesBack?: true;
    }
  | ({ type: 'settlement'; eventId: string } & Settlement)
  | ({ type: 'dispute'; eventId: string; processor: string } & DisputeTold);
