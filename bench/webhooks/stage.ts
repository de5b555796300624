import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Pool } from 'pg';
import { toTypeId } from '../../src/domain/ids.ts';
import { factArguments } from '../../src/store/facts.ts';
import { migrate } from '../../src/store/migrate.ts';
import { createOrganization } from '../../src/store/organizations.ts';
import { createPool } from '../../src/store/pool.ts';
import { insertWebhook } from '../../src/store/webhooks/endpoints.ts';
import { newId } from '../../src/trust/new-id.ts';
import { createSealer } from '../../src/trust/seal.ts';
import type { Stage } from '../stage.ts';

export interface HookStage {
  pool: Pool;
  env: Record<string, string>;
  /** One endpoint in each of so many organizations; every tenth misbehaves when `bad`. */
  endpoints(count: number, bad: boolean): Promise<Endpoint[]>;
  relay(): Promise<ChildProcess>;
  receiver: ChildProcess;
  ask<Answer>(what: 'ask' | 'count'): Promise<Answer>;
}

export interface Endpoint {
  id: string;
  orgId: string;
  path: string;
  healthy: boolean;
}

export async function setHookStage(stage: Stage): Promise<HookStage> {
  const databaseUrl = await stage.database('hooks');
  await migrate(databaseUrl, () => undefined);
  const pool = createPool(databaseUrl, 16);
  const { PROKURA_DATA_KEY, PROKURA_SIGNING_KEY } = stage.keys;
  const env = { DATABASE_URL: databaseUrl, PROKURA_DATA_KEY, PROKURA_SIGNING_KEY };
  const receiver = child('receiver.ts', {});
  const [{ port }] = (await once(receiver, 'message')) as [{ port: number }];
  const sealer = createSealer(PROKURA_DATA_KEY);
  return {
    pool,
    env,
    receiver,
    async endpoints(count, bad) {
      const all: Endpoint[] = [];
      const secrets: [string, string][] = [];
      for (let n = 0; n < count; n++) {
        const healthy = !bad || n % 10 !== 0;
        const path = healthy ? `/${n}` : `/${n % 20 === 0 ? 'dead' : 'slow'}/${n}`;
        const orgId = await createOrganization(pool, { name: 'Bench' });
        const { id, secret } = await insertWebhook(
          pool,
          sealer,
          { orgId, mode: 'test' },
          {
            url: `http://127.0.0.1:${port}${path}`,
            description: null,
            events: [],
            ordered: false,
            format: 'standard',
            jws: false,
            rateLimit: null,
            headers: {},
          },
        );
        if (healthy) secrets.push([path, secret]);
        all.push({ id, orgId, path, healthy });
      }
      receiver.send({ secrets });
      return all;
    },
    async relay() {
      const relay = child('relay.ts', env);
      await once(relay, 'message');
      return relay;
    },
    async ask<Answer>(what: 'ask' | 'count') {
      receiver.send({ [what]: true });
      const [answer] = (await once(receiver, 'message')) as [Answer];
      return answer;
    },
  };
}

function child(file: string, env: Record<string, string>): ChildProcess {
  return fork(fileURLToPath(new URL(file, import.meta.url)), [], {
    execArgv: ['--import', 'tsx'],
    env: { ...process.env, ...env },
    serialization: 'advanced',
  });
}

/** Records one event in each of these organizations, in one transaction. @returns their ids */
export async function recordEvents(pool: Pool, orgIds: string[]): Promise<string[]> {
  const facts = orgIds.map((orgId) => {
    const subject = toTypeId('pay', newId());
    return factArguments({
      tenant: { orgId, mode: 'test' },
      at: new Date(),
      type: 'payment.captured',
      actor: 'bench',
      subject,
      body: { amount_minor: 24_000 },
      events: [
        {
          type: 'payment.captured',
          subject,
          data: { org_id: toTypeId('org', orgId), payment_id: subject, amount_minor: 24_000, currency: 'EUR' },
        },
      ],
    });
  });
  const column = (index: number) => facts.map(({ values }) => values[index]);
  await pool.query({
    name: 'bench-events',
    text: `SELECT record_fact(a, b, c, d, e, f, g, h, i, j, k) FROM unnest($1::uuid[], $2::text[], $3::uuid[],
             $4::timestamptz[], $5::text[], $6::text[], $7::text[], $8::jsonb[], $9::text[], $10::text[], $11::jsonb[])
             AS t (a, b, c, d, e, f, g, h, i, j, k)`,
    values: Array.from({ length: 11 }, (_, index) => column(index)),
  });
  return facts.map(({ eventIds }) => toTypeId('evt', eventIds[0]!));
}
