import type pg from 'pg';
import { uuidV7 } from '../../domain/ids.ts';
import { GIVE_UP_SECONDS } from '../../domain/webhooks/retries.ts';
import { COUNTED, countDeliveries } from '../../store/webhooks/endpoints.ts';
import { stepReplay } from '../../store/webhooks/replay.ts';
import {
  buryPending,
  findStanding,
  removeDeliveries,
  removeEndpoint,
  type EndpointStanding,
} from '../../store/webhooks/supervision.ts';
import type { EndpointRef, EndpointReport } from './types.ts';

/** After this much work a pass ends and says that there is more; its activity may take much longer. */
const PASS_MS = 5_000;
const BATCH = 1_000;
const LOOK_AGAIN_MS = 30_000;
const REST_MS = 3_600_000;
/** Failing for longer than this is shown as stuck. */
const STUCK_AFTER_MS = 300_000;

export interface SuperviseDeps {
  pool: pg.Pool;
  now(): Date;
  /** How long ended deliveries and their log are kept. */
  webhookLogDays?: number;
}

const GONE: EndpointReport = {
  stage: 'deleted',
  details: '**Webhook endpoint** — deleted',
  needsAttention: false,
  more: false,
  nextInMs: 0,
  gone: true,
};

/**
 * One pass of an endpoint's supervisor: replays, what is to be given up, what is too old, then a look at how it stands.
 * Everything follows from rows, in short steps, so that a pass that died is simply done again.
 */
export async function superviseEndpoint(deps: SuperviseDeps, { tenant, endpointId }: EndpointRef) {
  const { pool } = deps;
  const until = deps.now().getTime() + PASS_MS;
  /** Repeats a step until it has nothing to do. @returns whether the pass's time was over before */
  const exhaust = async (step: () => Promise<boolean>): Promise<boolean> => {
    while (await step()) if (deps.now().getTime() >= until) return true;
    return false;
  };
  const before = await findStanding(pool, tenant, endpointId);
  if (!before) return GONE;

  if (before.deleted) {
    const more = await exhaust(async () => (await removeDeliveries(pool, tenant, endpointId, null, BATCH)) === BATCH);
    if (more) return { ...GONE, details: '**Webhook endpoint** — being removed', more, gone: false };
    await removeEndpoint(pool, tenant, endpointId);
    return GONE;
  }
  const bury = before.active
    ? { failingForSeconds: GIVE_UP_SECONDS, reason: 'given up: the endpoint did not answer in time', limit: BATCH }
    : { failingForSeconds: null, reason: before.disabledReason ?? 'the endpoint is disabled', limit: BATCH };
  const oldest = uuidV7(deps.now().getTime() - (deps.webhookLogDays ?? 30) * 86_400_000, 0n);
  const more =
    (await exhaust(() => stepReplay(pool, tenant, endpointId, BATCH))) ||
    // A paused one is not tried, and its deliveries wait for it.
    (!before.paused && (await exhaust(async () => (await buryPending(pool, tenant, endpointId, bury)) === BATCH))) ||
    (await exhaust(async () => (await removeDeliveries(pool, tenant, endpointId, oldest, BATCH)) === BATCH));

  const standing = (await findStanding(pool, tenant, endpointId)) ?? before;
  return report(standing, await countDeliveries(pool, tenant, endpointId), deps.now(), more);
}

type Counts = Awaited<ReturnType<typeof countDeliveries>>;

function report(standing: EndpointStanding, counts: Counts, now: Date, more: boolean): EndpointReport {
  const stage = stageOf(standing, now);
  return {
    stage,
    details: detailsOf(stage, standing, counts),
    needsAttention: stage === 'stuck' || stage === 'disabled',
    more,
    nextInMs: stage === 'failing' || stage === 'stuck' ? LOOK_AGAIN_MS : REST_MS,
    gone: false,
  };
}

function stageOf({ active, paused, failingSince, failures }: EndpointStanding, now: Date): EndpointReport['stage'] {
  if (!active) return 'disabled';
  if (paused) return 'paused';
  if (failures === 0 || !failingSince) return 'delivering';
  return now.getTime() - failingSince.getTime() > STUCK_AFTER_MS ? 'stuck' : 'failing';
}

/** The host, and no more of the URL: paths and queries of webhooks often hold a secret. */
function detailsOf(stage: string, standing: EndpointStanding, { pending, dead, oldestPendingAt }: Counts): string {
  const count = (n: number) => (n >= COUNTED ? `${COUNTED} or more` : String(n));
  const at = (date: Date | null) => date?.toISOString() ?? 'never';
  return [
    `**Webhook endpoint** at ${new URL(standing.url).host} — **${stage}**`,
    '',
    `- waiting: ${count(pending)}${oldestPendingAt ? `, the first since ${at(oldestPendingAt)}` : ''}`,
    `- given up: ${count(dead)}`,
    `- last success: ${at(standing.lastSuccessAt)}`,
    ...(standing.failures > 0
      ? [
          `- failing since ${at(standing.failingSince)}, ${standing.failures} attempts in a row`,
          `- why: ${standing.lastError ?? `answered ${standing.lastStatus}`}`,
          ...(standing.openUntil ? [`- circuit open: nothing is sent before ${at(standing.openUntil)}`] : []),
        ]
      : []),
    ...(standing.disabledReason ? [`- disabled: ${standing.disabledReason}`] : []),
  ].join('\n');
}
