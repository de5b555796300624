import type { Tenant } from '../../domain/types.ts';

/** The agent that a watch looks at. */
export interface WatchRef {
  tenant: Tenant;
  agentId: string;
}

/** How an agent stands, as far as its watch needs it. No more events are listed than a person reads. */
export interface WatchReport {
  /** `tripped`: its events end its authority, and that is not done yet. */
  standing: 'quiet' | 'watching' | 'tripped' | 'halted';
  agentStatus: string;
  /** High events that count, newest first. */
  events: { id: string; occurredAt: string; score: number }[];
  highEvents: number;
  /** The events that ended it. */
  trip: { id: string; occurredAt: string; score: number }[];
  haltedAt?: string;
  haltedBy?: string;
  haltReason?: string;
  /** Printed id of the freeze that works it off. */
  freezeId?: string;
  /** Milliseconds until the newest event is in no window any more. */
  quietInMs: number;
}

/** One pass of the compaction. */
export interface CompactPass {
  events: number;
  days: number;
  /** There is more to do at once. */
  more: boolean;
  nextInMs: number;
  retentionDays: number;
}

/** Activities of behaviour. Each may be run again, and beside another run of itself. */
export interface BehaviourActivities {
  /** Looks at the events that count; writes nothing but that it has begun to look. */
  reviewWatch(ref: WatchRef): Promise<WatchReport>;
  /** Ends the agent's authority, if its events still say so: once, whoever does it. */
  haltForBehaviour(ref: WatchRef): Promise<WatchReport>;
  /** Turns events that are older than they are kept into daily aggregates. */
  compactBehaviour(): Promise<CompactPass>;
}
