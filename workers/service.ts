import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { Client } from '@temporalio/client';
import type { DataConverter } from '@temporalio/common';
import { DefaultLogger, NativeConnection, Runtime, type Worker } from '@temporalio/worker';
import type { Pool } from 'pg';
import { pino } from 'pino';
import type { ActivityDeps } from '../src/activities/deps.ts';
import { credentialsOf } from '../src/api/access/credentials.ts';
import { createApp } from '../src/api/app.ts';
import { lastUsesOf } from '../src/api/access/last-uses.ts';
import { approvalRouter } from '../src/api/approval/router.ts';
import { codecRouter } from '../src/api/codec/router.ts';
import { AesPayloadCodec } from '../src/api/codec/payload-codec.ts';
import { LifecycleClient } from '../src/api/lifecycle/client.ts';
import { createApiServer } from '../src/api/server.ts';
import { dataKeysFrom, signingKeysFrom } from '../src/cli/keystore-file.ts';
import { databaseNeeded, needing } from '../src/cli/output.ts';
import { trustedIssuersFrom } from '../src/cli/trusted-issuers.ts';
import { authoritySettings, ConfigError, type Config } from '../src/config.ts';
import { createScreening } from '../src/screening/create.ts';
import { createProcessors } from '../src/processors/registry.ts';
import { createRefinement } from '../src/refinement/registry.ts';
import { Authorities } from '../src/store/certificates/authorities.ts';
import { Listener } from '../src/store/listener.ts';
import { isMigrated } from '../src/store/migrated.ts';
import { createPool } from '../src/store/pool.ts';
import { ReplyBus } from '../src/store/replies.ts';
import { enterDataKey, type DataKeys } from '../src/store/sealed/data-keys.ts';
import { createPasskeys } from '../src/trust/passkeys.ts';
import { createExecutionTokens } from '../src/trust/execution-token.ts';
import { createSealer, type Sealer } from '../src/trust/seal.ts';
import { createSigner } from '../src/trust/signing.ts';
import { startBackground } from './background.ts';
import { tellLists } from './crl-refresh.ts';
import { enableFastSandbox } from './fast-sandbox.ts';
import { signaller, stopDriving } from './stops.ts';
import { createWorker } from './worker.ts';

export interface RunningService {
  /** Where the API listens; absent in a process that only works. */
  url?: string;
  /** Drains: no new requests, running ones are answered, running tasks end, then connections close. */
  stop(): Promise<void>;
}

let runtimeInstalled = false;

/**
 * One process of the service: API, worker, or both. Together they share one connection to Temporal, so that the first
 * task of a lifecycle is handed over within the process (eager start).
 */
export async function startService(config: Config, role: 'all' | 'api' | 'worker'): Promise<RunningService> {
  const keys = dataKeysFrom(config);
  const { present: dataKey, previous } = keys;
  const signingKeys = signingKeysFrom(config);
  const trustedIssuers = await trustedIssuersFrom(config);
  if (config.PROKURA_FAST_SANDBOX) enableFastSandbox();
  installRuntime();
  const log = pino({ level: config.LOG_LEVEL, base: { role } });
  const signer = await createSigner(signingKeys);
  const sealer = createSealer(dataKey, previous);
  const passkeys = createPasskeys(dataKey, config.passkeyOrigins, previous);
  const tokens = createExecutionTokens(dataKey, previous);
  const codec = config.PROKURA_PAYLOAD_KEY
    ? new AesPayloadCodec(config.PROKURA_PAYLOAD_KEY, config.PROKURA_PAYLOAD_KEY_PREVIOUS)
    : undefined;
  const dataConverter: DataConverter | undefined = codec && { payloadCodecs: [codec] };
  const pool = createPool(config.DATABASE_URL, config.DATABASE_POOL_SIZE);
  const screening = await needing('The list of payees', 'Correct it, or PAYEE_LIST_FILE.', async () =>
    createScreening(config, (news) =>
      'error' in news
        ? log.error({ err: news.error }, 'the list of payees is not usable; the one before stays in force')
        : log.info(news, 'the list of payees was read'),
    ),
  );
  const authorities = new Authorities({ pool, sealer, settings: authoritySettings(config) });
  const replies = new ReplyBus(randomUUID());
  const listener = new Listener();
  const migrated = await needing(...databaseNeeded(config.DATABASE_URL), () => isMigrated(pool));
  if (migrated) await admitDataKey(pool, keys, sealer);
  else log.error('the database has not the current schema: run `prokura migrate`; nothing is ready until then');
  const { TEMPORAL_ADDRESS: address } = config;
  const connection = await needing(
    `Temporal at ${address} does not answer`,
    'Start it, or correct TEMPORAL_ADDRESS.',
    () => NativeConnection.connect({ address, grpcCompression: { codec: 'none' } }),
  );

  const { TEMPORAL_NAMESPACE: namespace } = config;
  await needing(
    `The namespace ${namespace} at Temporal cannot be used`,
    'Make it as docs/operations.md says, or correct TEMPORAL_NAMESPACE.',
    () => connection.workflowService.describeNamespace({ namespace }),
  );
  const client = new Client({ connection, namespace, dataConverter });

  const worker = role === 'api' ? undefined : await startWorker();
  if (role !== 'worker') hearAsApi();
  await listener.listen(config.DATABASE_URL);
  const api = role === 'worker' ? undefined : await startApi();
  log.info({ url: api?.url, role }, 'ready');
  return {
    url: api?.url,
    async stop() {
      await api?.stop();
      await worker?.stop();
      screening?.close();
      await listener.close();
      await connection.close();
      await pool.end();
    },
  };

  async function startWorker() {
    const backgroundPool = createPool(config.DATABASE_URL, 4, 'prokura background');
    const deps: ActivityDeps = {
      pool,
      backgroundPool,
      listEveryMs: config.CRL_REFRESH_SECONDS * 1_000,
      authorities,
      sealEveryMs: config.AUDIT_SEAL_SECONDS * 1_000,
      coverageEveryMs: config.COVERAGE_SECONDS * 1_000,
      behaviourRetentionDays: config.BEHAVIOUR_RETENTION_DAYS,
      listsChanged: () => tellLists(client, config),
      driveStop: stopDriving({ pool, client, log, config }),
      webhookLogDays: config.WEBHOOK_LOG_DAYS,
      signer,
      sealer,
      tokenKey: tokens.keyId,
      passkeys,
      replies,
      processors: createProcessors(),
      screening,
      refinement: createRefinement(config),
      processorTimeoutMs: config.PROCESSOR_TIMEOUT_MS,
      reauthorizationsMax: config.REAUTHORIZATIONS_MAX,
      publicUrl: config.publicUrl,
      issuer: config.PROKURA_ISSUER,
      signal: signaller(client.workflow),
      now: () => new Date(),
      handover: new Map(),
    };
    const temporalWorker: Worker = await createWorker(config, connection, deps, dataConverter);
    const running = temporalWorker.run();
    running.catch((error: unknown) => {
      // A worker that cannot go on takes its process with it: whoever supervises starts a fresh one.
      log.fatal({ err: error }, 'the worker failed');
      process.exitCode = 1;
      process.kill(process.pid, 'SIGTERM');
    });
    const background = await startBackground({ pool, backgroundPool, client, listener, sealer, signer, log, config });
    return {
      async stop() {
        await background.stop();
        if (temporalWorker.getState() === 'RUNNING') temporalWorker.shutdown();
        await running.catch(() => undefined);
        await backgroundPool.end();
      },
    };
  }

  function hearAsApi(): void {
    replies.follow(listener);
    credentialsOf(pool).follow(listener);
  }

  async function startApi() {
    const lifecycle = new LifecycleClient({
      client,
      pool,
      replies,
      log,
      taskQueue: config.TEMPORAL_TASK_QUEUE,
      namespace,
      eager: role === 'all',
      visibilityLagMs: config.PROCESSOR_VISIBILITY_LAG_MS,
      answerWaitMs: config.ANSWER_WAIT_MS,
    });
    const app = createApp({
      config,
      pool,
      signer,
      sealer,
      authorities,
      log,
      lifecycle,
      tokens,
      passkeys,
      screening,
      trustedIssuers,
      extraRouters: [
        approvalRouter({ pool, sealer, lifecycle, passkeys }),
        ...(codec && (config.PROKURA_CODEC_ENDPOINT || config.PROKURA_ENV === 'development')
          ? [codecRouter(codec, new URL(config.TEMPORAL_UI_URL).origin)]
          : []),
      ],
    });
    const server = createApiServer(app);
    server.listen(config.PORT, config.HOST);
    await needing('The API cannot listen', 'Free that port, or set PORT and HOST to others.', () =>
      once(server, 'listening'),
    );
    const bound = server.address();
    const port = typeof bound === 'object' && bound ? bound.port : config.PORT;
    return {
      url: `http://${config.HOST}:${port}`,
      async stop() {
        server.close();
        server.closeIdleConnections();
        const closed = once(server, 'close');
        const timer = setTimeout(() => server.closeAllConnections(), 10_000);
        await closed;
        clearTimeout(timer);
        await lastUsesOf(pool)
          .flush()
          .catch((error: unknown) => log.warn({ err: error }, 'last uses not kept'));
      },
    };
  }
}

/**
 * Nothing runs that could not open what is stored, or would seal with a key of which the others know nothing.
 * @throws ConfigError
 */
async function admitDataKey(pool: Pool, keys: DataKeys, sealer: Sealer): Promise<void> {
  const refused = await enterDataKey(pool, keys, sealer);
  if (refused === undefined) return;
  await pool.end();
  throw new ConfigError(refused);
}

/** The SDK's own messages: warnings and worse, since a request's story is told by our log and Temporal's history. */
function installRuntime(): void {
  if (runtimeInstalled) return;
  runtimeInstalled = true;
  Runtime.install({
    logger: new DefaultLogger('WARN'),
    // The service decides when to stop; signals are handled by whoever started it.
    shutdownSignals: [],
  });
}
