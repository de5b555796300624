/** An account at a processor, as far as routing looks at it. An absent list or limit does not restrict. */
export interface MidCandidate {
  midId: string;
  processor: string;
  mid: string;
  /** The adapter that speaks to it. */
  kind: string;
  /** Lower comes first. */
  priority: number;
  currencies?: string[];
  methods?: string[];
  maxAmountMinor?: number;
  enabled: boolean;
  /** The processor is frozen. */
  frozen?: boolean;
  /** `false` while the circuit breaker has it out; absent counts as healthy. */
  healthy?: boolean;
}

export interface RouteWanted {
  currency: string;
  amountMinor: number;
  method: string;
  /** The only processor that can read the payment token, when there is one. */
  processor?: string;
  strategy?: 'priority';
}

export type DropReason =
  | 'disabled'
  | 'frozen'
  | 'other_processor_pinned'
  | 'currency_not_supported'
  | 'method_not_supported'
  | 'amount_above_limit'
  | 'outage';

export interface PlannedCandidate {
  midId: string;
  processor: string;
  mid: string;
  /** 1 is tried first. */
  position: number;
  reason: 'pinned' | 'priority';
  message: string;
}

export interface DroppedCandidate {
  midId: string;
  processor: string;
  mid: string;
  reason: DropReason;
  message: string;
}

export interface RoutePlan {
  candidates: PlannedCandidate[];
  dropped: DroppedCandidate[];
}

interface Check {
  code: DropReason;
  sentence: (candidate: MidCandidate, want: RouteWanted) => string;
  eligible: (candidate: MidCandidate, want: RouteWanted) => boolean;
}

/** In the order of the pipeline; the first that does not hold is the reason given. */
const CHECKS: readonly Check[] = [
  { code: 'disabled', sentence: () => 'is switched off', eligible: (candidate) => candidate.enabled },
  { code: 'frozen', sentence: () => 'is frozen', eligible: (candidate) => candidate.frozen !== true },
  {
    code: 'other_processor_pinned',
    sentence: (_, want) => `the payment token belongs to ${want.processor}`,
    eligible: (candidate, want) => want.processor === undefined || candidate.processor === want.processor,
  },
  {
    code: 'currency_not_supported',
    sentence: (_, want) => `does not take ${want.currency}`,
    eligible: (candidate, want) => candidate.currencies === undefined || candidate.currencies.includes(want.currency),
  },
  {
    code: 'method_not_supported',
    sentence: (_, want) => `does not take the method ${want.method}`,
    eligible: (candidate, want) => candidate.methods === undefined || candidate.methods.includes(want.method),
  },
  {
    code: 'amount_above_limit',
    sentence: (candidate) => `takes at most ${candidate.maxAmountMinor} minor units`,
    eligible: (candidate, want) =>
      candidate.maxAmountMinor === undefined || want.amountMinor <= candidate.maxAmountMinor,
  },
  { code: 'outage', sentence: () => 'is in an outage', eligible: (candidate) => candidate.healthy !== false },
];

/**
 * Eligibility → pin → order → outage elimination, with a reason for each. Same input, same plan: ties in priority are
 * broken by id, so that a plan can be stored, replayed and compared. An empty `candidates` is `route_unavailable`.
 * Capture, void, refund and query are never routed: they go to the MID that authorized.
 */
export function planRoute(all: readonly MidCandidate[], want: RouteWanted): RoutePlan {
  const ordered = [...all].sort((a, b) => a.priority - b.priority || (a.midId < b.midId ? -1 : 1));
  const plan: RoutePlan = { candidates: [], dropped: [] };
  for (const candidate of ordered) {
    const { midId, processor, mid, priority } = candidate;
    const failed = CHECKS.find((check) => !check.eligible(candidate, want));
    if (failed) {
      plan.dropped.push({ midId, processor, mid, reason: failed.code, message: failed.sentence(candidate, want) });
      continue;
    }
    const pinned = want.processor !== undefined;
    const message = pinned ? `pinned by the payment token, priority ${priority}` : `priority ${priority}`;
    const position = plan.candidates.length + 1;
    plan.candidates.push({ midId, processor, mid, position, reason: pinned ? 'pinned' : 'priority', message });
  }
  return plan;
}
