import type pg from 'pg';
import { Problem } from '../../domain/errors.ts';
import type { Tenant } from '../../domain/types.ts';
import { viewExecution } from '../../store/executions/read.ts';
import { freezeOnExecution } from '../../store/stops/read.ts';
import { captureUpdate, payUpdate, respondUpdate, reviewUpdate } from '../../workflows/messages.ts';
import { LifecycleEnded } from './answered.ts';

/** An update that failed: of which execution, and which. */
export interface FailedUpdate {
  tenant: Tenant;
  executionId: string;
  name: string;
}

/** A lifecycle that is not there any more: of an unknown id, or ended, and then the payment says why not. */
export async function explainEnded(pool: pg.Pool, update: FailedUpdate, error: unknown): Promise<never> {
  if (!(error instanceof LifecycleEnded)) throw error;
  const { tenant, executionId, name } = update;
  const view = await viewExecution(pool, tenant, executionId);
  if (!view) throw new Problem('not_found', 'Your organization has no such payment or execution.');
  if (name === payUpdate.name) {
    throw view.payment
      ? new Problem('execution_token_used', 'The execution token was already used.')
      : new Problem('execution_token_expired', `The execution is ${view.execution.stage}.`);
  }
  if (name === respondUpdate.name) throw new Problem('challenge_expired', 'The challenge is no longer open.');
  if (name === reviewUpdate.name) throw new Problem('review_closed', `The execution is ${view.execution.stage}.`);
  if (name === captureUpdate.name && view.payment && view.payment.captured > 0) {
    throw new Problem('amount_exceeds_capturable', 'Nothing is left to capture.');
  }
  throw new Problem('invalid_payment_state', 'The authorization is closed: nothing can be captured or voided.');
}

/** A payment whose approval a freeze has ended is refused as frozen, while the freeze is in force. */
export async function explainFrozen(pool: pg.Pool, update: FailedUpdate, error: unknown): Promise<never> {
  const withdrawn = error instanceof Problem && error.code === 'execution_token_expired';
  if (!withdrawn || update.name !== payUpdate.name) throw error;
  const kind = await freezeOnExecution(pool, update.tenant, update.executionId);
  throw kind === undefined ? error : new Problem('frozen', `Frozen: the ${kind}. The approval was withdrawn.`);
}
