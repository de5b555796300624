import type { GatheredDelegation } from './decision-context.ts';
import type { ClosedBy, PaymentPhase } from './payment.ts';
import type { Reason } from './types.ts';

/** What can be frozen. */
export const FREEZE_TARGETS = ['organization', 'principal', 'agent', 'merchant', 'processor'] as const;
export type FreezeTargetKind = (typeof FREEZE_TARGETS)[number];

/** A freeze in force that may cover an intent. A frozen processor is not among them: it leaves the route plans. */
export interface FreezeInForce {
  kind: Exclude<FreezeTargetKind, 'processor'>;
  /** A UUID, or the merchant's reference. */
  target: string;
}

/** Why something is still dangerous under a freeze; `docs/failures.md` explains each. */
export const DANGERS = [
  'authorization_in_flight',
  'authorization_unknown',
  'increment_in_flight',
  'increment_unknown',
  'capture_in_flight',
  'capture_unknown',
  'refund_in_flight',
  'refund_unknown',
  'void_in_flight',
  'void_unknown',
  'void_refused',
  'not_voided_yet',
  'needs_review',
] as const;
export type Danger = (typeof DANGERS)[number];

/** Dangers that time alone does not take away: a person must look. */
export const NEEDS_PERSON: readonly Danger[] = ['void_refused', 'needs_review'];

interface Asked {
  agentId: string;
  principalId: string;
  merchantRef: string;
}

interface Check {
  kind: FreezeInForce['kind'];
  sentence: string;
  covers: (target: string, asked: Asked, chain: readonly GatheredDelegation[]) => boolean;
}

/** An agent or principal is covered as who acts, and as who passed the authority on. */
const CHECKS: readonly Check[] = [
  { kind: 'organization', sentence: 'The organization is frozen', covers: () => true },
  {
    kind: 'principal',
    sentence: 'The principal is frozen',
    covers: (target, { principalId }, chain) =>
      target === principalId || chain.some((delegation) => delegation.principalId === target),
  },
  {
    kind: 'agent',
    sentence: 'The agent, or one that its authority comes through, is frozen',
    covers: (target, { agentId }, chain) =>
      target === agentId || chain.some((delegation) => delegation.agentId === target),
  },
  {
    kind: 'merchant',
    sentence: 'The merchant is frozen',
    covers: (target, { merchantRef }) => target === merchantRef,
  },
];

/** One reason for each kind of freeze that covers the intent; no approval and no proof removes it. */
export function freezeReasons(
  freezes: readonly FreezeInForce[],
  asked: Asked,
  chain: readonly GatheredDelegation[],
): Reason[] {
  return CHECKS.filter(({ kind, covers }) =>
    freezes.some((freeze) => freeze.kind === kind && covers(freeze.target, asked, chain)),
  ).map(({ sentence }) => ({ code: 'frozen', category: 'identity', message: sentence }));
}

export interface StoppedCounts {
  challenges: number;
  reviews: number;
  tokens: number;
  /** The sum of those. */
  executions: number;
  /** Refunds that waited for their principal or for an operator. */
  refunds: number;
}

/** A payment that was open when a stop began, as it stands now. */
export interface StoppedPayment {
  phase: PaymentPhase;
  closedBy: ClosedBy | null;
  /** Minor units that a processor still holds. */
  held: number;
  /** Operations without an outcome, and voids that were declined since the stop. */
  operations: { type: 'authorize' | 'increment' | 'capture' | 'void' | 'refund'; status: string }[];
}

/**
 * Why money of a payment could still move, or be held against what was asked. Empty is the only proof of "stopped": an
 * outcome that is not known counts as dangerous, whatever is likely.
 */
export function dangersOf(payment: StoppedPayment, voiding: boolean): Danger[] {
  const dangers = new Set<Danger>();
  const { phase, held, operations } = payment;
  if (phase === 'authorizing') dangers.add('authorization_in_flight');
  if (phase === 'auth_unknown' || phase === 'pending') dangers.add('authorization_unknown');
  if (phase === 'needs_review') dangers.add('needs_review');
  for (const { type, status } of operations) {
    if (status === 'needs_review') dangers.add('needs_review');
    else if (type === 'authorize') {
      // Of a payment that is open: the hold is being renewed.
      if (phase === 'open') dangers.add(status === 'sent' ? 'authorization_in_flight' : 'authorization_unknown');
    } else if (status === 'sent') dangers.add(`${type}_in_flight`);
    else if (status === 'unknown' || status === 'pending') dangers.add(`${type}_unknown`);
  }
  if (voiding && phase === 'open' && held > 0 && dangers.size === 0) {
    const refused = operations.some(({ type, status }) => type === 'void' && status === 'declined');
    dangers.add(refused ? 'void_refused' : 'not_voided_yet');
  }
  return [...dangers];
}
