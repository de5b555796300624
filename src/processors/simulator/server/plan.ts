import type { Timing } from './controls.ts';
import type { Fault } from './faults.ts';
import type { OperationInput } from './operations.ts';
import type { TokenBehaviour } from './tokens.ts';

type Plan = Pick<
  OperationInput,
  'plan_minor' | 'plan_code' | 'hold_ms' | 'decide_after_ms' | 'notify_copies' | 'notify_after_ms'
>;

/** What will be decided, when, and how it is announced; all faults between receipt and answer come together here. */
export function planOperation(
  requestedMinor: number | null,
  behaviour: TokenBehaviour,
  fault: Fault | undefined,
  timing: Timing,
  announces: boolean,
  habits: { alwaysLater?: boolean; alwaysTells?: boolean } = {},
): Plan {
  const later = habits.alwaysLater || fault === 'pending' || fault === 'late_decline';
  const tells = habits.alwaysTells || later || fault === 'late_notification';
  const news = fault === 'duplicate_notification' ? 2 : tells ? 1 : 0;
  const scriptedDecline = fault === 'decline' || fault === 'late_decline' ? 'generic_decline' : null;
  return {
    plan_minor:
      behaviour.partial && requestedMinor !== null ? Math.max(1, Math.floor(requestedMinor / 2)) : requestedMinor,
    plan_code: behaviour.declineCode ?? scriptedDecline,
    hold_ms: behaviour.expiresSoon ? timing.expire_soon_ms : timing.hold_ms,
    decide_after_ms: later ? timing.pending_ms : null,
    notify_copies: announces ? news : 0,
    notify_after_ms: fault === 'late_notification' ? timing.late_notification_ms : 0,
  };
}
