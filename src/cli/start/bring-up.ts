import { Connection } from '@temporalio/client';
import { type DemoCredentials, type DemoFile, readDemoFile, seededInto } from '../demo-file.ts';
import { isForeignSchema } from '../installation.ts';
import { CommandError, type Log, messageOf, needing, step } from '../output.ts';
import type { StatePaths } from '../paths.ts';
import { writePrivateJson } from '../private-file.ts';
import { type DevelopmentKeys, developmentKeys, developmentKeystore } from '../provision/keys.ts';
import { ensureNamespace } from '../provision/namespace.ts';
import { choosePorts, type Ports } from '../provision/ports.ts';
import { ensureDatabase, preparePostgres } from '../provision/postgres.ts';
import type { RunState } from '../provision/state.ts';
import { findTemporalBinary } from '../provision/temporal-binary.ts';
import { temporalProgram } from '../provision/temporal-server.ts';
import type { Supervisor } from '../supervisor.ts';
import { HOST, serviceProgram, simulatorProgram, type TemporalPlace } from './programs.ts';

interface BringUp {
  port: number | 'auto' | undefined;
  paths: StatePaths;
  state: RunState;
  save: () => void;
  supervisor: Supervisor;
  log: Log;
}

/**
 * PostgreSQL, Temporal, schema and namespace, simulator, service, demo organization: each when the one before it
 * is ready. Writes `demo.json`.
 * @returns the start-up file, with `fresh` when its credentials were made just now
 * @throws CommandError saying which step failed and why
 */
export async function bringUp(context: BringUp): Promise<DemoFile & { fresh?: true }> {
  const { paths, log } = context;
  const known = readDemoFile(paths.demo);
  const ports = await choosePorts({
    api: context.port,
    previous: context.state.ports ?? {},
    host: HOST,
    fixed: known
      ? { simulator: 'The demo organization sends its payments there: free the port, or start with --reset.' }
      : {},
  });
  context.state.ports = ports;
  context.save();
  const keys = await developmentKeys(paths.keys);
  const signing = await signingSettings(paths.keystore, keys);

  const database = await step(log, 'PostgreSQL', () => databases(context, ports, keys));
  const temporal = await step(log, 'Temporal', () => temporalServer(context, ports));
  await step(log, 'database schema', () => migrateSchema(database.url, log));

  const apiUrl = `http://${HOST}:${ports.api}`;
  const simulatorUrl = `http://${HOST}:${ports.simulator}`;
  await step(log, 'processor simulator', () =>
    context.supervisor.start(simulatorProgram(simulatorUrl, apiUrl, database.simulatorUrl, keys)),
  );
  await step(log, 'API and workers', () =>
    context.supervisor.start(serviceProgram({ apiUrl, databaseUrl: database.url, temporal, keys, signing })),
  );

  const reusable = known && seededInto(known, database.url) ? known : undefined;
  const credentials = reusable ?? (await step(log, 'demo organization', () => seed(database.url, simulatorUrl, keys)));
  const { org_id, api_key, client_id, client_secret } = credentials;
  const file: DemoFile = {
    api_url: apiUrl,
    temporal_ui_url: temporal.uiUrl,
    temporal_address: temporal.address,
    temporal_namespace: temporal.namespace,
    database_url: database.url,
    simulator_url: simulatorUrl,
    org_id,
    api_key,
    client_id,
    client_secret,
    ...(reusable?.webhook_inspector_url ? { webhook_inspector_url: reusable.webhook_inspector_url } : {}),
  };
  writePrivateJson(paths.demo, file);
  return reusable ? file : { ...file, fresh: true };
}

/** A key or keystore that the environment names is used as it is. */
async function signingSettings(file: string, keys: DevelopmentKeys): Promise<Record<string, string>> {
  const given = process.env['PROKURA_SIGNING_KEY'] ?? process.env['PROKURA_KEYSTORE'];
  return given === undefined ? developmentKeystore(file, keys) : {};
}

async function databases({ paths, supervisor, log }: BringUp, ports: Ports, keys: DevelopmentKeys) {
  const given = process.env['DATABASE_URL'];
  if (given) {
    const simulator = new URL(given);
    simulator.pathname = `${simulator.pathname}_simulator`;
    const simulatorUrl = process.env['SIMULATOR_DATABASE_URL'] ?? simulator.href;
    const remedy = 'Start that server, or unset DATABASE_URL: then an embedded one is used.';
    for (const url of [given, simulatorUrl]) await needing('DATABASE_URL', remedy, () => ensureDatabase(url));
    log(`  using ${new URL(given).host} (DATABASE_URL)`);
    return { url: given, simulatorUrl };
  }
  const { postgres_password: password } = keys;
  const prepared = await preparePostgres({ dir: paths.postgres, port: ports.postgres, password, log });
  await supervisor.start(prepared.program);
  const [url, simulatorUrl] = [prepared.url('prokura'), prepared.url('prokura_simulator')];
  for (const each of [url, simulatorUrl]) await ensureDatabase(each);
  return { url, simulatorUrl };
}

async function temporalServer({ paths, supervisor, log }: BringUp, ports: Ports): Promise<TemporalPlace> {
  const namespace = process.env['TEMPORAL_NAMESPACE'] ?? 'prokura';
  const given = process.env['TEMPORAL_ADDRESS'];
  const address = given ?? `${HOST}:${ports.temporal}`;
  if (given) log(`  using ${given} (TEMPORAL_ADDRESS)`);
  else {
    const binary = await findTemporalBinary({ log });
    const codec = process.env['PROKURA_PAYLOAD_KEY'] ? `http://${HOST}:${ports.api}/temporal/codec` : undefined;
    const { temporal: port, temporal_ui: uiPort } = ports;
    await supervisor.start(temporalProgram({ binary, dir: paths.temporal, port, uiPort, uiCodecEndpoint: codec }));
  }
  const connection = await Connection.connect({ address, connectTimeout: 10_000 }).catch((error: unknown) => {
    const remedy = given ? ' Start it, or unset TEMPORAL_ADDRESS: then a local one is used.' : '';
    throw new CommandError(`Temporal at ${address} does not answer: ${messageOf(error)}.${remedy}`);
  });
  try {
    await ensureNamespace(connection, namespace);
  } finally {
    await connection.close();
  }
  const uiUrl = process.env['TEMPORAL_UI_URL'] ?? `http://${HOST}:${given ? 8233 : ports.temporal_ui}`;
  return { address, uiUrl, namespace };
}

async function migrateSchema(databaseUrl: string, log: Log): Promise<void> {
  const { migrate } = await import('../../store/migrate.ts');
  await migrate(databaseUrl, (line) => log(`  ${line}`)).catch((error: unknown) => {
    if (!isForeignSchema(error)) throw error;
    throw new CommandError(
      `This database was made by another version of Prokura than this one (${messageOf(error)}). Go back to that version, ` +
        'or start with --reset, which forgets this database, its keys and the demo organization.',
    );
  });
}

async function seed(databaseUrl: string, simulatorUrl: string, keys: DevelopmentKeys): Promise<DemoCredentials> {
  const { seedDemo } = await import('../../store/demo-seed.ts');
  const dataKey = process.env['PROKURA_DATA_KEY'] ?? keys.data_key;
  return seedDemo(databaseUrl, { simulatorUrl, dataKey });
}
