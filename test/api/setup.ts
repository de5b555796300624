import { generateKeyPairSync, randomBytes, randomUUID } from 'node:crypto';
import type { Express } from 'express';
import { pino } from 'pino';
import request from 'supertest';
import { createApp, type ApiDeps } from '../../src/api/app.ts';
import { authoritySettings, loadConfig } from '../../src/config.ts';
import { SCOPES } from '../../src/domain/access-scopes.ts';
import type { Mode, Tenant } from '../../src/domain/types.ts';
import { insertApiKey, newApiKeySecret } from '../../src/store/api-keys.ts';
import { Authorities } from '../../src/store/certificates/authorities.ts';
import { createOrganization } from '../../src/store/organizations.ts';
import { createPasskeys } from '../../src/trust/passkeys.ts';
import { createExecutionTokens } from '../../src/trust/execution-token.ts';
import { createSealer } from '../../src/trust/seal.ts';
import { createSigner } from '../../src/trust/signing.ts';
import { createTestDatabase, type TestDatabase } from '../setup/database.ts';
import { answersOf } from './openapi-answers.ts';

export interface Answer {
  status: number;
  headers: Record<string, string>;
  // oxlint-disable-next-line typescript/no-explicit-any -- tests read what they expect, and fail where it is not
  body: any;
}

/** What the lifecycle was asked to do after a commit. */
export interface LifecycleCalls {
  /** Stops that were handed to their workflow. */
  driven: { id: string }[];
  /** Backtests that were handed to their workflow. */
  backtests: { id: string }[];
  /** Settlement files that were handed to their workflow. */
  imports: { id: string }[];
  /** Agents whose watch was told. */
  watched: string[];
  /** Times that the revocation lists were asked to be signed anew. */
  lists: number;
  temporal: boolean;
}

export interface TestApi {
  app: Express;
  deps: ApiDeps;
  database: TestDatabase;
  tenant: Tenant;
  key: string;
  calls: LifecycleCalls;
  /**
   * A request of the test organization. Writes carry a fresh Idempotency-Key; a header given as '' is left out. Every
   * answer is checked against the OpenAPI document.
   */
  api(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>;
  /** Another organization (or mode), with an own key. */
  stranger(mode?: Mode): Promise<{ tenant: Tenant; key: string }>;
  keyWith(scopes: string[], more?: Partial<Parameters<typeof insertApiKey>[1]>): Promise<string>;
  /** Rows of every table that the API writes. */
  rowCounts(): Promise<Record<string, number>>;
  close(): Promise<void>;
}

/** The real application on a database of its own. Only the way to Temporal is replaced: it records what it is asked. */
export async function startTestApi(settings: Record<string, string> = {}): Promise<TestApi> {
  const database = await createTestDatabase();
  const { pool } = database;
  const { privateKey } = generateKeyPairSync('ed25519');
  const dataKey = randomBytes(32).toString('base64');
  const calls: LifecycleCalls = { driven: [], backtests: [], imports: [], watched: [], lists: 0, temporal: true };
  const config = loadConfig({ DATABASE_URL: database.url, PUBLIC_URL: 'http://api.test', ...settings });
  const sealer = createSealer(dataKey);
  const deps: ApiDeps = {
    config,
    pool,
    signer: await createSigner(JSON.stringify(privateKey.export({ format: 'jwk' }))),
    sealer,
    authorities: new Authorities({ pool, sealer, settings: authoritySettings(config) }),
    tokens: createExecutionTokens(dataKey),
    passkeys: createPasskeys(dataKey, config.passkeyOrigins),
    log: pino({ level: 'silent' }),
    lifecycle: {
      ready: async () => calls.temporal,
      drive: async (stop: { id: string }) => void calls.driven.push(stop),
      backtest: async (ref: { id: string }) => void calls.backtests.push(ref),
      settlementImport: async (ref: { id: string }) => void calls.imports.push(ref),
      watch: (_tenant: Tenant, agentIds: string[]) => void calls.watched.push(...agentIds),
      confirmed: async () => undefined,
      certificateRevoked: async () => void calls.lists++,
    } as unknown as ApiDeps['lifecycle'],
  };
  const app = createApp(deps);
  const checkAnswer = answersOf(deps);

  const newKey = async (tenant: Tenant, scopes: readonly string[], more: object = {}) => {
    const secret = newApiKeySecret(tenant.mode);
    await insertApiKey(pool, { tenant, name: 'test', scopes: [...scopes], secret, ...more });
    return secret;
  };
  const orgId = await createOrganization(pool, { name: 'Test' });
  const tenant: Tenant = { orgId, mode: 'test' };
  const key = await newKey(tenant, SCOPES);

  return {
    app,
    deps,
    database,
    tenant,
    key,
    calls,
    async api(method, path, body, headers = {}) {
      const call = request(app)[method.toLowerCase() as 'get'](path);
      const all: Record<string, string> = { authorization: `Bearer ${key}`, ...headers };
      if (method !== 'GET' && !('idempotency-key' in all)) all['idempotency-key'] = randomUUID();
      for (const [name, value] of Object.entries(all)) if (value !== '') void call.set(name, value);
      if (body !== undefined && !('content-type' in all)) void call.set('content-type', 'application/json');
      const response = await (body === undefined
        ? call
        : call.send(typeof body === 'string' ? body : JSON.stringify(body)));
      checkAnswer(method, path, response);
      return {
        status: response.status,
        headers: response.headers,
        body: response.body as unknown,
      };
    },
    async stranger(mode = 'test') {
      const other: Tenant = { orgId: await createOrganization(pool, { name: 'Stranger' }), mode };
      return { tenant: other, key: await newKey(other, SCOPES) };
    },
    keyWith: (scopes, more) => newKey(tenant, scopes, more),
    rowCounts: () => countRows(database),
    close: () => database.drop(),
  };
}

/** Written some time after a request, and by refused ones too. */
const BACKGROUND = ['credential_uses', 'rate_counts'];

async function countRows({ pool }: TestDatabase): Promise<Record<string, number>> {
  const tables = await pool.query<{ name: string }>(
    `SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'public' AND table_name <> ALL ($1) ORDER BY 1`,
    [BACKGROUND],
  );
  const counts: Record<string, number> = {};
  for (const { name } of tables.rows) {
    const { rows } = await pool.query<{ n: number }>(`SELECT count(*) AS n FROM ${name}`);
    counts[name] = rows[0]!.n;
  }
  return counts;
}
