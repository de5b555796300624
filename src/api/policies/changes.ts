import { Problem } from '../../domain/errors.ts';
import { toTypeId } from '../../domain/ids.ts';
import type { PolicyRules } from '../../domain/policy.ts';
import type { Tenant } from '../../domain/types.ts';
import { historyFactsOf } from '../../policy-language/draft.ts';
import { recordFact } from '../../store/facts.ts';
import { activatePolicy, findPolicy, insertPolicy, observePolicy, type PolicyRow } from '../../store/policies.ts';
import type { Db } from '../../store/pool.ts';
import { found } from '../not-found.ts';

/** Who changes policies, in the request's transaction. */
export interface Change {
  db: Db;
  tenant: Tenant;
  actor: string;
}

/** Drafts the next version under a name, and records it; `activate` makes it the active one at once. */
export async function draft(
  change: Change,
  { name, rules, activate: atOnce }: { name: string; rules: PolicyRules; activate: boolean },
): Promise<PolicyRow> {
  const { db, tenant } = change;
  const row = await insertPolicy(db, tenant, { name, rules, history: historyFactsOf(rules) });
  await record(change, 'policy.created', row, row.createdAt, { rules: row.rules });
  return atOnce ? activate(change, row.id) : row;
}

/** Activates and records who did it, and what it replaced. An archived version comes back the same way. */
export async function activate(change: Change, id: string): Promise<PolicyRow> {
  const at = new Date();
  const { policy, replaced, changed } = found(await activatePolicy(change.db, change.tenant, id, at), 'policy', 'id');
  if (changed) await record(change, 'policy.activated', policy, at, { replaced: refOf(replaced) });
  return policy;
}

/** Begins or ends watching a policy beside the active one. */
export async function observe(change: Change, id: string, watch: boolean): Promise<PolicyRow> {
  const at = new Date();
  found(await findPolicy(change.db, change.tenant, id), 'policy', 'id');
  const observed = await observePolicy(change.db, change.tenant, id, watch ? at : null);
  if (!observed) throw new Problem('unprocessable', 'The policy is active: what it decides is what happens.');
  const { policy, replaced, changed } = observed;
  const type = watch ? 'policy.observed' : 'policy.observation_ended';
  if (changed) await record(change, type, policy, at, { replaced: refOf(replaced) });
  return policy;
}

function refOf(id: string | undefined): string | null {
  return id ? toTypeId('pol', id) : null;
}

async function record({ db, tenant, actor }: Change, type: string, policy: PolicyRow, at: Date, more: object) {
  const { name, version } = policy;
  const subject = toTypeId('pol', policy.id);
  await recordFact(db, { tenant, at, type, actor, subject, body: { name, version, ...more }, events: [] });
}
