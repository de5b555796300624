import { randomBytes } from 'node:crypto';
import { Connection } from '@temporalio/client';
import type { DemoFile } from '../../src/cli/demo-file.ts';
import { step } from '../../src/cli/output.ts';
import type { Log } from '../../src/cli/output.ts';
import { makeKeys } from '../../src/cli/provision/keys.ts';
import type { Supervisor } from '../../src/cli/supervisor.ts';
import { seedDemo } from '../../src/store/demo-seed.ts';
import { migrate } from '../../src/store/migrate.ts';
import { freePorts } from './free-ports.ts';
import type { OpenPostgres } from './postgres.ts';
import { prepareNamespace } from './prepare-namespace.ts';
import { apiProgram, simulatorProgram, workerProgram } from './programs.ts';
import type { ServiceSettings } from './programs.ts';
import type { ProductionDatabases } from './run.ts';
import { temporalBinaries } from './temporal-binaries.ts';
import { prepareTemporalSchema } from './temporal-schema.ts';
import { productionTemporal } from './temporal-server.ts';

const WORKERS = 2;
const NAMESPACE = 'prokura';

/**
 * Starts each part when the one before it is ready, in the order of docker-compose.yml.
 * @returns what a client needs, in the shape of the development start's file
 */
export async function bringUpProduction(options: {
  postgres: OpenPostgres;
  databases: ProductionDatabases;
  supervisor: Supervisor;
  log: Log;
}): Promise<DemoFile> {
  const { postgres, databases, supervisor, log } = options;
  const temporalDatabases = { main: databases.temporal, visibility: databases.temporalVisibility };
  const binaries = await step(log, 'Temporal server and schema tool', () => temporalBinaries(log));
  await step(log, 'Temporal schemas', () => prepareTemporalSchema(binaries.sqlTool, postgres, temporalDatabases));
  const temporal = await productionTemporal({ binary: binaries.server, postgres, databases: temporalDatabases });
  await step(log, 'Temporal server', () => supervisor.start(temporal.program));
  await step(log, 'namespace, search attributes, visibility indexes', async () => {
    const visibilityUrl = postgres.url(databases.temporalVisibility);
    const connection = await Connection.connect({ address: temporal.address });
    const dropped = await prepareNamespace({ connection, namespace: NAMESPACE, visibilityUrl });
    await connection.close();
    log(`  dropped ${dropped.length} unused visibility indexes`);
  });

  const databaseUrl = postgres.url(databases.prokura);
  await step(log, 'database schema', async () => {
    await postgres.run(`CREATE DATABASE ${databases.prokura}`);
    await postgres.run(`CREATE DATABASE ${databases.simulator}`);
    await migrate(databaseUrl, () => undefined);
  });

  const [apiPort, simulatorPort, ...workerPorts] = await freePorts(2 + WORKERS);
  const simulatorUrl = `http://127.0.0.1:${simulatorPort}`;
  const settings: ServiceSettings = {
    ...(await makeKeys()),
    PROKURA_ENV: 'production',
    DATABASE_URL: databaseUrl,
    TEMPORAL_ADDRESS: temporal.address,
    TEMPORAL_NAMESPACE: NAMESPACE,
    PUBLIC_URL: `http://127.0.0.1:${apiPort}`,
    SIMULATOR_NOTIFY_SECRET: randomBytes(32).toString('base64'),
    // The demo's webhook receiver listens on loopback.
    WEBHOOK_ALLOW_PRIVATE: 'true',
  };
  await step(log, 'processor simulator', () =>
    supervisor.start(simulatorProgram(simulatorUrl, postgres.url(databases.simulator), settings)),
  );
  for (const [index, port] of workerPorts.entries()) {
    await step(log, `worker ${index + 1}`, () => supervisor.start(workerProgram(index + 1, port, settings)));
  }
  await step(log, 'API', () => supervisor.start(apiProgram(settings)));
  const credentials = await step(log, 'demo organization', () =>
    seedDemo(databaseUrl, { simulatorUrl, dataKey: settings.PROKURA_DATA_KEY }),
  );
  return {
    api_url: settings.PUBLIC_URL,
    temporal_ui_url: '',
    temporal_address: temporal.address,
    temporal_namespace: NAMESPACE,
    database_url: databaseUrl,
    simulator_url: simulatorUrl,
    ...credentials,
  };
}
