/**
 * A dispute, from the first question of an issuer to its end. `inquiry` holds no money; from `opened` on the processor
 * withholds it; `won` and `withdrawn` give it back, `lost`, `accepted` and `expired` do not.
 */
export const DISPUTE_STATUSES = [
  'inquiry',
  'opened',
  'challenged',
  'won',
  'lost',
  'accepted',
  'expired',
  'withdrawn',
] as const;
export type DisputeStatus = (typeof DISPUTE_STATUSES)[number];

export interface DisputeMove {
  to: DisputeStatus;
  /** Who or what may cause it. */
  by: string;
}

/** A status without moves is final: whatever is told afterwards is for a person, and overwrites nothing. */
export const DISPUTE_MOVES: Readonly<Record<DisputeStatus, readonly DisputeMove[]>> = {
  inquiry: [
    { to: 'opened', by: 'processor: the inquiry became a dispute' },
    { to: 'withdrawn', by: 'processor: the inquiry was closed' },
  ],
  opened: [
    { to: 'challenged', by: 'client: evidence, taken by the processor; processor' },
    { to: 'accepted', by: 'client: accepted, taken by the processor; processor' },
    { to: 'expired', by: 'timer: no evidence before the deadline' },
    { to: 'won', by: 'processor' },
    { to: 'lost', by: 'processor' },
    { to: 'withdrawn', by: 'processor' },
  ],
  challenged: [
    { to: 'won', by: 'processor' },
    { to: 'lost', by: 'processor' },
    { to: 'withdrawn', by: 'processor' },
  ],
  won: [],
  lost: [],
  accepted: [],
  expired: [],
  withdrawn: [],
};

/** Statuses in which the processor withholds the money. */
const HOLDING: ReadonlySet<DisputeStatus> = new Set(['opened', 'challenged']);
const LOSING: ReadonlySet<DisputeStatus> = new Set(['lost', 'accepted', 'expired']);

export function isDisputeOver(status: DisputeStatus): boolean {
  return DISPUTE_MOVES[status].length === 0;
}

export function holdsMoney(status: DisputeStatus): boolean {
  return HOLDING.has(status);
}

/** What becomes of held money when a dispute comes to have this status. */
export function endOfDispute(status: DisputeStatus): 'won' | 'lost' | undefined {
  if (!isDisputeOver(status)) return undefined;
  return LOSING.has(status) ? 'lost' : 'won';
}

/**
 * The statuses that a dispute goes through when it is told to be `told`: none when that is stale or stands already.
 * News come in any order, and some never: whatever leads to it is made up for, so that money is held before it is given
 * back or lost. `undefined` when it cannot come to that any more: for a person.
 * @param stands absent for a dispute that was not known
 */
export function pathTo(stands: DisputeStatus | undefined, told: DisputeStatus): DisputeStatus[] | undefined {
  if (stands === undefined)
    return told === 'inquiry' || told === 'opened' ? [told] : ['opened', ...further('opened', told)];
  if (stands === told || isEarlier(told, stands)) return [];
  // Both say that the money is gone: the processor confirms what was counted before.
  if (endOfDispute(stands) !== undefined && endOfDispute(stands) === endOfDispute(told)) return [];
  if (isDisputeOver(stands)) return undefined;
  if (stands === 'inquiry' && told !== 'opened' && told !== 'withdrawn') return ['opened', ...further('opened', told)];
  const path = further(stands, told);
  return path.length > 0 ? path : undefined;
}

function further(from: DisputeStatus, to: DisputeStatus): DisputeStatus[] {
  return DISPUTE_MOVES[from].some((move) => move.to === to) ? [to] : [];
}

const ORDER: Partial<Record<DisputeStatus, number>> = { inquiry: 0, opened: 1, challenged: 2 };

function isEarlier(told: DisputeStatus, stands: DisputeStatus): boolean {
  const at = ORDER[told];
  return at !== undefined && at < (ORDER[stands] ?? 3);
}

/** What a client may do with a dispute, and why not. */
export function refuseAct(
  kind: 'evidence' | 'accept',
  { status, late, waiting }: { status: DisputeStatus; late: boolean; waiting: boolean },
): string | undefined {
  if (isDisputeOver(status)) return `The dispute is ${status}.`;
  if (waiting) return 'What was sent before has not been taken by the processor yet.';
  if (kind === 'accept' && status === 'inquiry') return 'An inquiry holds no money: there is nothing to accept.';
  if (status === 'challenged') return 'The dispute was challenged already; the issuer decides.';
  if (late) return 'The deadline for evidence has passed.';
  return undefined;
}
