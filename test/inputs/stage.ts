import { insertApiKey, newApiKeySecret } from '../../src/store/api-keys.ts';
import { createOrganization } from '../../src/store/organizations.ts';
import { SCOPES } from '../../src/domain/access-scopes.ts';
import { parseId } from '../../src/domain/ids.ts';
import { eventually, startJourney, type Cast, type Decided, type Journey, type Payment } from '../journeys/journey.ts';

/** The service with one of everything that a request may name. */
export interface InputStage {
  t: Journey;
  cast: Cast;
  approved: Decided;
  challenged: Decided;
  /** Held, nothing captured. */
  payment: Payment;
  /** A key that decided `approved`. */
  usedKey: string;
  /** An API key of another organization, with every scope. */
  stranger: string;
  /** An API key of the same organization with these scopes only. */
  keyWith(scopes: string[]): Promise<string>;
  /** Rows of every table in which a request of these families leaves something. */
  counts(): Promise<Record<string, number>>;
}

/** A refused challenge or review leaves no row, but an attempt that was spent would show here. */
const COUNTS = `
  SELECT (SELECT count(*) FROM executions) AS executions, (SELECT count(*) FROM payments) AS payments,
         (SELECT count(*) FROM operations) AS operations, (SELECT count(*) FROM idempotency_keys) AS idempotency_keys,
         (SELECT count(*) FROM events) AS events, (SELECT count(*) FROM audit_entries) AS audit_entries,
         (SELECT count(*) FROM route_plans) AS route_plans, (SELECT count(*) FROM ledger_entries) AS ledger_entries,
         (SELECT sum(challenge_attempts_left) FROM executions) AS attempts_left,
         (SELECT sum(budget_spent) FROM delegations)::bigint AS budget_spent`;

export async function setInputStage(): Promise<InputStage> {
  const t = await startJourney();
  const { pool } = t.database;
  const cast = await t.cast();
  const usedKey = crypto.randomUUID();
  const approved = (await t.propose(cast, {}, { 'idempotency-key': usedKey })).body;
  const challenged = (await t.propose(cast, { delegation_id: cast.cautious })).body;
  const payment = await t.paid();
  const keyOf = async (orgId: string, scopes: readonly string[]) => {
    const secret = newApiKeySecret('test');
    await insertApiKey(pool, { tenant: { orgId, mode: 'test' }, name: 'test', scopes: [...scopes], secret });
    return secret;
  };
  const stranger = await keyOf(await createOrganization(pool, { name: 'Stranger' }), SCOPES);
  const counts = async () => (await pool.query<Record<string, number>>(COUNTS)).rows[0]!;
  // Whatever the set-up left to be written afterwards is written.
  let last = '';
  await eventually(counts, (now) => last === (last = JSON.stringify(now)));
  return {
    t,
    cast,
    approved,
    challenged,
    payment,
    usedKey,
    stranger,
    keyWith: (scopes) => keyOf(parseId(t.credentials.org_id, 'org')!, scopes),
    counts,
  };
}

/** A copy of `body` with one member, named by its path, as it should not be; `undefined` leaves it out. */
export function having(body: object, path: string, value: unknown): object {
  const copy = structuredClone(body) as Record<string, unknown>;
  const names = path.split('.');
  const last = names.pop()!;
  const parent = names.reduce((at, name) => (at[name] ??= {}) as Record<string, unknown>, copy);
  if (value === undefined) delete parent[last];
  else parent[last] = value;
  return copy;
}

/** Every member of a body that is not an object itself, by path. */
export function leavesOf(body: object, prefix = ''): { path: string; value: unknown }[] {
  return Object.entries(body).flatMap(([name, value]: [string, unknown]) => {
    const path = prefix + name;
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? leavesOf(value, `${path}.`)
      : [{ path, value }];
  });
}
