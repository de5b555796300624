import { type Config, loadConfig } from '../../config.ts';
import type { DemoFile } from '../demo-file.ts';
import { signingKeysFrom } from '../keystore-file.ts';
import { statePaths } from '../paths.ts';
import { readDevelopmentKeys } from '../provision/keys.ts';
import { DEFAULTS, isPortFree } from '../provision/ports.ts';
import { embeddedPackage } from '../provision/postgres-binaries.ts';
import { cachedBinary, knownTemporalBinary } from '../provision/temporal-binary.ts';
import { readState } from '../provision/state.ts';
import { runningStart } from '../running.ts';
import { status } from '../start/programs.ts';
import { type Check, check, skipped } from './check.ts';
import { examineDatabase } from './database.ts';
import { examineSecrets } from './secrets.ts';
import { examineTemporal } from './temporal.ts';
import { dataKeyLength, signingKeyId } from './key-checks.ts';

/**
 * Examines the running start, else what the environment points at, else whether a start would find what it needs.
 * Settings that the environment gives always win.
 */
export async function examine(env: NodeJS.ProcessEnv = process.env): Promise<Check[]> {
  const running = runningStart();
  const checks = [await check('Node.js', 'Install Node.js 20.19 or later.', () => process.version)];
  if (!running && !env['DATABASE_URL']) return [...checks, ...(await prospects(env))];

  const settings = { ...(running ? settingsOf(running, env) : {}), ...env };
  let config: Config | undefined;
  const settled = await check('settings', 'Correct the variables named; docs/operations.md explains them.', () => {
    config = loadConfig(settings);
    return `${whose(running, env)} (${config.PROKURA_ENV})`;
  });
  checks.push(settled);
  if (!config) return checks;
  const { PROKURA_DATA_KEY, PROKURA_PAYLOAD_KEY, publicUrl } = config;
  const keySettings = config;
  const freshKeys = 'Make new ones with `prokura keys`.';
  checks.push(
    await check('signing key', freshKeys, () => signingKeyId(signingKeysFrom(keySettings))),
    await check('data key', freshKeys, () => dataKeyLength('PROKURA_DATA_KEY', PROKURA_DATA_KEY)),
    PROKURA_PAYLOAD_KEY
      ? await check('payload key', freshKeys, () => dataKeyLength('PROKURA_PAYLOAD_KEY', PROKURA_PAYLOAD_KEY))
      : skipped('payload key', 'not set: payloads are readable in the Temporal UI'),
    ...(await examineDatabase(config.DATABASE_URL)),
    await examineSecrets(config),
    ...(await examineTemporal(config.TEMPORAL_ADDRESS, config.TEMPORAL_NAMESPACE)),
    await check('API', 'Start it (`npm start`, or `prokura serve`), and look into its log.', () =>
      answering(`${running?.api_url ?? publicUrl}/ready`, 200),
    ),
    running
      ? await check('simulator', 'Look into its log, or start again.', () => answering(running.simulator_url))
      : skipped('simulator', 'only a development start has one'),
  );
  return checks;
}

function whose(running: DemoFile | undefined, env: NodeJS.ProcessEnv): string {
  if (!running) return 'of the environment';
  const given = Object.keys(settingsOf(running, {})).filter((name) => env[name] !== undefined);
  return `of the start that runs${given.length > 0 ? `, but ${given.join(', ')} of the environment` : ''}`;
}

function settingsOf(running: DemoFile, env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const keys = readDevelopmentKeys(statePaths().keys);
  const api = new URL(running.api_url);
  return {
    DATABASE_URL: running.database_url,
    TEMPORAL_ADDRESS: running.temporal_address,
    TEMPORAL_NAMESPACE: running.temporal_namespace,
    TEMPORAL_UI_URL: running.temporal_ui_url,
    HOST: api.hostname,
    PORT: api.port,
    ...(env['PROKURA_SIGNING_KEY'] ? {} : { PROKURA_KEYSTORE: statePaths().keystore }),
    PROKURA_DATA_KEY: keys?.data_key,
    PROKURA_DATA_KEY_PREVIOUS: keys?.data_key_previous,
  };
}

async function answering(url: string, wanted?: number): Promise<string> {
  const got = await status(url);
  if (got === undefined) throw new Error(`${url} does not answer`);
  if (wanted !== undefined && got !== wanted) throw new Error(`${url} answers ${got}, not ${wanted}`);
  return url;
}

/** Nothing runs: would a start find what it needs? */
async function prospects(env: NodeJS.ProcessEnv): Promise<Check[]> {
  return [
    skipped('running system', 'none from this folder, and DATABASE_URL is unset: checking what a start needs'),
    await check('embedded PostgreSQL', 'Run `npm ci` without --omit=optional, or set DATABASE_URL.', () => {
      const { folder, version } = embeddedPackage();
      return `${version} in ${folder}`;
    }),
    env['TEMPORAL_ADDRESS']
      ? (await examineTemporal(env['TEMPORAL_ADDRESS'], env['TEMPORAL_NAMESPACE'] ?? 'prokura'))[0]!
      : await temporalBinary(env),
    await check('port of the API', 'Start with --port auto, or another port.', async () => {
      const port = readState(statePaths().state).ports?.api ?? DEFAULTS.api;
      if (await isPortFree(port)) return `${port} is free`;
      throw new Error(`${port} is in use`);
    }),
  ];
}

async function temporalBinary(env: NodeJS.ProcessEnv): Promise<Check> {
  const found = await knownTemporalBinary(env);
  if (found) return { name: 'Temporal CLI', status: 'ok', detail: found };
  const detail = `none on PATH nor at ${cachedBinary(env)}: the first start downloads or builds it`;
  return skipped('Temporal CLI', detail);
}
