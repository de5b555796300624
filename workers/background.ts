import type { Client } from '@temporalio/client';
import type { Pool } from 'pg';
import type { Logger } from 'pino';
import { timersOf } from '../src/api/executions/authorize.ts';
import { stayWithOutcome } from '../src/api/lifecycle/outcomes.ts';
import { allowsPrivate } from '../src/api/webhooks/change.ts';
import type { Config } from '../src/config.ts';
import type { Listener } from '../src/store/listener.ts';
import { createPool } from '../src/store/pool.ts';
import type { Sealer } from '../src/trust/seal.ts';
import type { Signer } from '../src/trust/signing.ts';
import { ensureAuditSealer } from './audit-sealer.ts';
import { startBacktestDriver } from './backtests.ts';
import { ensureCoverageWatch } from './coverage.ts';
import { ensureCrlRefresh } from './crl-refresh.ts';
import { startDisputeDriver } from './disputes.ts';
import { startImportDriver } from './imports.ts';
import { startForgottenDriver } from './forgotten.ts';
import { startReviewDriver } from './reviews.ts';
import { startLeaderKeeper } from './routing-leaders.ts';
import { lifeOf, signaller, startStopDriver } from './stops.ts';
import { startTrustKeeper } from './trust.ts';
import { ensureBehaviourCompactor, startWatchDriver } from './watches.ts';
import { startRelay } from './webhooks/relay.ts';
import { startSupervisorDriver } from './webhooks/supervisors.ts';

export interface BackgroundOptions {
  pool: Pool;
  /** For what nobody waits for. */
  backgroundPool: Pool;
  client: Client;
  listener: Listener;
  sealer: Sealer;
  signer: Signer;
  log: Logger;
  config: Config;
}

/**
 * What runs beside the polling of task queues: workflows that there are once for each installation, the relay of
 * notifications, and the drivers, each of which begins again what was committed and not handed over.
 * @returns how to stop them, the ones that take most first
 */
export async function startBackground(o: BackgroundOptions): Promise<{ stop(): Promise<void> }> {
  const { pool, backgroundPool, client, listener, sealer, signer, log, config } = o;
  await ensureAuditSealer(client, config);
  await ensureBehaviourCompactor(client, config);
  await ensureCrlRefresh(client, config);
  await ensureCoverageWatch(client, config);
  // Pools of their own: a burst of notifications must not take the connections of requests, nor a sum of trust wait.
  const relayPool = createPool(config.DATABASE_URL, 3, 'prokura relay');
  const trustPool = createPool(config.DATABASE_URL, 1, 'prokura trust');
  const { publicUrl, TEMPORAL_TASK_QUEUE: taskQueue } = config;
  const allowPrivate = allowsPrivate(config);
  const signal = signaller(client.workflow);
  const behind = { pool: backgroundPool, client, log, config };
  const running = [
    startRelay({ pool: relayPool, sealer, signer, log, publicUrl, allowPrivate, listener }),
    startSupervisorDriver({ pool: backgroundPool, client, log, taskQueue }),
    startStopDriver({ pool, client, log, config }),
    startForgottenDriver({
      pool,
      signal,
      lives: lifeOf(client.workflow),
      stayWith: (operation) => stayWithOutcome({ client, taskQueue, timers: timersOf(config) }, operation),
      log,
      afterMs: 3 * config.PROCESSOR_TIMEOUT_MS,
    }),
    startTrustKeeper({ pool: trustPool, log }),
    startBacktestDriver(behind),
    startLeaderKeeper({ pool: backgroundPool, log }),
    startImportDriver(behind),
    startDisputeDriver(behind),
    startReviewDriver({ pool, client, log, config }),
    startWatchDriver({ pool, client, log, config }),
  ];
  return {
    async stop() {
      for (const part of running) await part.stop();
      await trustPool.end();
      await relayPool.end();
    },
  };
}
