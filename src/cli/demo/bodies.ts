import type { Counters } from '../../domain/payment.ts';
import type { Reason, Risk } from '../../domain/types.ts';

/** The members of answers that the demo reads. Amounts ending in `_minor` and counters are minor units. */
export interface Decided {
  decision: 'approved' | 'challenge' | 'review' | 'deny';
  execution_ref: string;
  execution_token?: string;
  risk: Pick<Risk, 'score' | 'level'>;
  reasons: Pick<Reason, 'code' | 'message'>[];
  challenge?: { challenge_id: string; methods: string[]; expires_at: string };
}

export interface Execution {
  execution_ref: string;
  stage: string;
  decision: Decided['decision'];
  payment_id?: string;
  workflow: { id: string; run_id: string; ui_url: string };
}

export interface RoutePlan {
  route_plan_id: string;
  candidates: { processor: string; mid: string; position: number }[];
}

export interface Payment {
  payment_id: string;
  execution_ref: string;
  status: string;
  amount_minor: number;
  currency: string;
  counters: Counters;
  /** Of `authorized`, what was captured beyond the hold. */
  overcaptured?: number;
  /** What the hold is being raised by. */
  increment_pending?: number;
  processor?: string;
  attempts: { attempt: number; processor: string; outcome: string; class?: string; code?: string }[];
  operations: { operation_id: string; type: string; status: string; amount_minor: number; renews?: boolean }[];
  reconciliation: { status: string; settlement_id?: string; settled_at?: string };
}

export interface Revocation {
  revoked: string[];
  affected_executions: { execution_ref: string; outcome: string }[];
}
