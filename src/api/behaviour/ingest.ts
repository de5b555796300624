import type pg from 'pg';
import { readDetails } from '../../domain/behaviour/details.ts';
import { ALERT_POINTS, bandOf, HIGH_POINTS, scoreEvent } from '../../domain/behaviour/score.ts';
import { actionOf } from '../../domain/behaviour/vocabulary.ts';
import { Problem } from '../../domain/errors.ts';
import { toTypeId } from '../../domain/ids.ts';
import type { Tenant } from '../../domain/types.ts';
import {
  findByClientIds,
  gatherBehaviour,
  minuteOf,
  type ClientEventId,
  type MinuteFacts,
} from '../../store/behaviour/gather.ts';
import { insertBehaviour } from '../../store/behaviour/insert.ts';
import type { BehaviourRow } from '../../store/behaviour/row.ts';
import { oweLook } from '../../store/behaviour/watch.ts';
import { recordFact } from '../../store/facts.ts';
import { inTransaction, type Db } from '../../store/pool.ts';
import { canonicalJson, sha256Hex } from '../../trust/canonical.ts';
import { newId } from '../../trust/new-id.ts';
import { notFound } from '../not-found.ts';
import type { EventInput } from './event-body.ts';

/** An event on its way in. */
export interface Incoming {
  event: EventInput;
  /** Where the request names the agent and its id: `events.3.`, or empty. */
  path: string;
  actor: string;
}

/** What became of one event. */
export type Outcome = { row: BehaviourRow; duplicate: boolean } | { problem: Problem };

export interface IngestDeps {
  pool: pg.Pool;
  lifecycle: { watch(tenant: Tenant, agentIds: string[]): void };
}

/** Events of one alert that the audit trail lists one by one. */
const LISTED = 100;
const QUARTER_MS = 15 * 60_000;

/**
 * Scores events and stores them: one read for all of them, one statement for all of them; where some raise an alert, one
 * transaction with the alerts, and with the note that their agents must be looked at. Each is judged by itself; with
 * `whole`, nothing is stored unless all can be: that is said by an outcome, or thrown when it shows only at the end.
 * @throws Problem `idempotency_conflict`, with `whole`
 */
export async function ingest(
  { pool, lifecycle }: IngestDeps,
  tenant: Tenant,
  incoming: readonly Incoming[],
  { whole }: { whole: boolean },
): Promise<Outcome[]> {
  const now = new Date();
  const minutes = new Map(
    incoming.map(({ event }) => {
      const minute = minuteOf(event.occurredAt ?? now);
      return [keyOf(event.agentId, minute), { agentId: event.agentId, minute }] as const;
    }),
  );
  const ids = incoming.flatMap(({ event: { agentId, eventId } }) =>
    eventId === undefined ? [] : [{ agentId, clientEventId: eventId }],
  );
  const { facts, before } = await gatherBehaviour(pool, tenant, [...minutes.values()], ids);
  const known = new Map([...minutes.keys()].map((key, i) => [key, facts[i]]));
  const earlier = new Map(before.map((row) => [idOf(row), row]));
  const scorer = createScorer(known, now);
  const outcomes = incoming.map((one): Outcome => {
    const row = scorer(one);
    if (!row) return { problem: notFound('agent', `${one.path}agentId`) };
    if (row.clientEventId === null) return { row, duplicate: false };
    const outcome = judgeRepeat(row, earlier.get(idOf(row)), one);
    // What comes later under the same id is a repeat of this one, or in conflict with it.
    if ('row' in outcome && !outcome.duplicate) earlier.set(idOf(row), row);
    return outcome;
  });
  if (whole) for (const outcome of outcomes) if ('problem' in outcome) return outcomes;
  const fresh = outcomes.flatMap((outcome) => ('row' in outcome && !outcome.duplicate ? [outcome.row] : []));
  if (fresh.length === 0) return outcomes;
  const by = { now, actor: incoming[0]!.actor };
  const mayRace = whole && fresh.some(({ clientEventId }) => clientEventId !== null);
  const alerts = fresh.some(({ points }) => points >= ALERT_POINTS);
  // A statement alone is its own transaction, and one round trip instead of three.
  const { settled, tell } = await (mayRace || alerts
    ? inTransaction(pool, (db) => storeAll(db, tenant, { incoming, outcomes, fresh, by, whole }))
    : storeAll(pool, tenant, { incoming, outcomes, fresh, by, whole }));
  if (tell.length > 0) lifecycle.watch(tenant, tell);
  return settled;
}

/** Events of one request count for each other as if they had come one after the other. */
function createScorer(known: Map<string, MinuteFacts | undefined>, now: Date) {
  const inMinute = new Map<string, number>();
  const spent = new Map<string, number>();
  const failures = new Map<string, Date[]>();
  return ({ event }: Incoming): BehaviourRow | undefined => {
    const { agentId } = event;
    const occurredAt = event.occurredAt ?? now;
    const minute = minuteOf(occurredAt);
    const key = keyOf(agentId, minute);
    const facts = known.get(key);
    if (!facts) return undefined;
    const day = `${agentId} ${occurredAt.toISOString().slice(0, 10)}`;
    const action = actionOf(event.actionType)!;
    const details = event.details ?? {};
    const said = readDetails(details, action);
    const windowEnds = minute.getTime() + 60_000;
    const failedHere = (failures.get(agentId) ?? []).filter(
      (at) => at.getTime() < windowEnds && at.getTime() >= windowEnds - QUARTER_MS,
    ).length;
    const { points, factors } = scoreEvent(action, said, {
      ...facts,
      eventsThisMinute: facts.eventsThisMinute + (inMinute.get(key) ?? 0),
      recentFailures: facts.recentFailures + failedHere,
      spentTodayUsd: facts.spentTodayUsd + (spent.get(day) ?? 0),
    });
    const isSpending = action.type === 'transaction' || action.type === 'transaction_anomaly';
    const amountUsd = isSpending ? (said.amountUsd ?? null) : null;
    const failed = said.failed || said.denied;
    inMinute.set(key, (inMinute.get(key) ?? 0) + 1);
    if (amountUsd !== null) spent.set(day, (spent.get(day) ?? 0) + amountUsd);
    if (failed) failures.set(agentId, [...(failures.get(agentId) ?? []).slice(-50), occurredAt]);
    return {
      id: newId(now.getTime()),
      agentId,
      principalId: facts.principalId,
      actionType: action.type,
      reportedAs: event.actionType === action.type ? null : event.actionType,
      clientEventId: event.eventId ?? null,
      fingerprint: event.eventId === undefined ? null : fingerprintOf(event),
      chainId: event.chainId?.toLowerCase() ?? null,
      sessionId: event.sessionId ?? null,
      merchantRef: said.merchantRef ?? null,
      occurredAt,
      receivedAt: now,
      points,
      failed,
      amountUsd,
      factors,
      details,
    };
  };
}

interface Storing {
  incoming: readonly Incoming[];
  outcomes: Outcome[];
  fresh: BehaviourRow[];
  by: { now: Date; actor: string };
  whole: boolean;
}

/** @throws Problem with `whole`, when another request has stored another event under one of the ids meanwhile */
async function storeAll(
  db: Db,
  tenant: Tenant,
  { incoming, outcomes, fresh, by, whole }: Storing,
): Promise<{ settled: Outcome[]; tell: string[] }> {
  const stored = await insertBehaviour(db, tenant, fresh);
  const settled =
    stored.size === fresh.length ? outcomes : await resolveRaces(db, tenant, incoming, outcomes, fresh, stored);
  const conflict = whole ? settled.find((one) => 'problem' in one) : undefined;
  if (conflict && 'problem' in conflict) throw conflict.problem;
  const alerts = fresh.filter(({ id, points }) => stored.has(id) && points >= ALERT_POINTS);
  if (alerts.length === 0) return { settled, tell: [] };
  const high = [...new Set(alerts.filter(({ points }) => points >= HIGH_POINTS).map(({ agentId }) => agentId))];
  const tell = high.length === 0 ? [] : await oweLook(db, tenant, high, by.now);
  await recordAlerts(db, tenant, alerts, by);
  return { settled, tell };
}

/** One entry of the audit trail for each agent, and one `risk.alert` for each event. */
async function recordAlerts(
  db: Db,
  tenant: Tenant,
  alerts: BehaviourRow[],
  { now, actor }: { now: Date; actor: string },
) {
  for (const agentId of [...new Set(alerts.map((row) => row.agentId))].sort()) {
    const own = alerts.filter((row) => row.agentId === agentId);
    const subject = toTypeId('agt', agentId);
    await recordFact(db, {
      tenant,
      at: now,
      type: 'behaviour.alert',
      actor,
      subject,
      body: { alerts: own.length, events: own.slice(0, LISTED).map(shortly) },
      events: own.map((row) => ({
        type: 'risk.alert',
        subject,
        agentId,
        data: {
          org_id: toTypeId('org', tenant.orgId),
          agent_id: subject,
          event: { ...shortly(row), factors: row.factors },
          timestamp: now.toISOString(),
        },
      })),
    });
  }
}

function shortly({ id, actionType, points, occurredAt }: BehaviourRow) {
  return {
    id,
    action_type: actionType,
    risk_score: points / 100,
    risk_band: bandOf(points),
    occurred_at: occurredAt.toISOString(),
  };
}

/** What another request stored under the same client id meanwhile is the answer, if it was the same event. */
async function resolveRaces(
  db: Db,
  tenant: Tenant,
  incoming: readonly Incoming[],
  outcomes: Outcome[],
  fresh: BehaviourRow[],
  stored: Set<string>,
): Promise<Outcome[]> {
  const lost = new Set(fresh.filter(({ id }) => !stored.has(id)).map(({ id }) => id));
  const ids = fresh.flatMap(({ id, agentId, clientEventId }): ClientEventId[] =>
    lost.has(id) ? [{ agentId, clientEventId: clientEventId! }] : [],
  );
  const winners = new Map((await findByClientIds(db, tenant, ids)).map((row) => [idOf(row), row]));
  // Repeats within the request are of a row that was not stored, too.
  return outcomes.map((one, i) =>
    'row' in one && lost.has(one.row.id) ? judgeRepeat(one.row, winners.get(idOf(one.row)), incoming[i]!) : one,
  );
}

function judgeRepeat(row: BehaviourRow, earlier: BehaviourRow | undefined, { path }: Incoming): Outcome {
  if (!earlier) return { row, duplicate: false };
  if (earlier.fingerprint === row.fingerprint) return { row: earlier, duplicate: true };
  const fields = [{ path: `${path}eventId`, message: 'was used for another event of this agent' }];
  return {
    problem: new Problem('idempotency_conflict', 'This event id was used for another event before.', { fields }),
  };
}

/** Over what was said, whichever form it was said in. */
function fingerprintOf({ agentId, actionType, chainId, sessionId, occurredAt, details }: EventInput): string {
  const said = [
    agentId,
    actionType,
    chainId ?? null,
    sessionId ?? null,
    occurredAt?.toISOString() ?? null,
    details ?? {},
  ];
  return sha256Hex(canonicalJson(said));
}

const keyOf = (agentId: string, minute: Date) => `${agentId} ${minute.getTime()}`;
const idOf = (row: Pick<BehaviourRow, 'agentId' | 'clientEventId'>) => `${row.agentId} ${row.clientEventId}`;
