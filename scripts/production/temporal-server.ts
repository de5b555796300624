import { fileURLToPath } from 'node:url';
import type { Program } from '../../src/cli/supervisor.ts';
import { temporalAnswers } from '../../src/cli/provision/temporal-server.ts';
import { freePorts } from './free-ports.ts';
import type { PostgresServer } from './postgres.ts';
import type { TemporalDatabases } from './temporal-schema.ts';

export interface ProductionTemporalOptions {
  binary: string;
  postgres: PostgresServer;
  databases: TemporalDatabases;
}

/** Ports of the server's four services; only the frontend's gRPC port is ever told to a client. */
const PORT_SETTINGS = [
  'FRONTEND_GRPC_PORT',
  'FRONTEND_HTTP_PORT',
  'FRONTEND_MEMBERSHIP_PORT',
  'HISTORY_GRPC_PORT',
  'HISTORY_MEMBERSHIP_PORT',
  'MATCHING_GRPC_PORT',
  'MATCHING_MEMBERSHIP_PORT',
  'WORKER_GRPC_PORT',
  'WORKER_MEMBERSHIP_PORT',
] as const;

/**
 * The production server with all its services in one process, on loopback, on the given PostgreSQL.
 * `NUM_HISTORY_SHARDS` is fixed for the life of the database: 4 suits one small host, 512 a cluster.
 */
export async function productionTemporal(
  options: ProductionTemporalOptions,
): Promise<{ program: Program; address: string }> {
  const ports = await freePorts(PORT_SETTINGS.length);
  const settings = Object.fromEntries(PORT_SETTINGS.map((name, index) => [name, String(ports[index])]));
  const address = `127.0.0.1:${settings['FRONTEND_GRPC_PORT']}`;
  const program: Program = {
    name: 'temporal-server',
    command: options.binary,
    // Loopback only, as in the compose file's private network: who reaches the port may use it.
    args: ['--allow-no-auth', 'start'],
    env: {
      DB: 'postgres12_pgx',
      POSTGRES_SEEDS: options.postgres.host,
      DB_PORT: String(options.postgres.port),
      POSTGRES_USER: options.postgres.user,
      POSTGRES_PWD: options.postgres.password,
      DBNAME: options.databases.main,
      VISIBILITY_DBNAME: options.databases.visibility,
      NUM_HISTORY_SHARDS: '4',
      DYNAMIC_CONFIG_FILE_PATH: fileURLToPath(new URL('./temporal-dynamic.yaml', import.meta.url)),
      BIND_ON_IP: '127.0.0.1',
      TEMPORAL_BROADCAST_ADDRESS: '127.0.0.1',
      LOG_LEVEL: 'warn',
      // Fewer collections of a small heap: 8 to 10 % less CPU for some 100 MB more memory.
      GOGC: '400',
      ...settings,
    },
    readyWithinMs: 60_000,
    stopWithinMs: 40_000,
    ready: () => temporalAnswers(address),
  };
  return { program, address };
}
