import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { pino } from 'pino';
import type { Tenant } from '../../src/domain/types.ts';
import { toTypeId } from '../../src/domain/ids.ts';
import { recordFact } from '../../src/store/facts.ts';
import { Listener } from '../../src/store/listener.ts';
import { createOrganization } from '../../src/store/organizations.ts';
import { insertWebhook, type WebhookSettings } from '../../src/store/webhooks/endpoints.ts';
import { newId } from '../../src/trust/new-id.ts';
import { createSealer, type Sealer } from '../../src/trust/seal.ts';
import { createSigner, type Signer } from '../../src/trust/signing.ts';
import { startRelay, type Relay, type RelayOptions } from '../../workers/webhooks/relay.ts';
import { createTestDatabase, type TestDatabase } from '../setup/database.ts';
import { startFarm, type Farm } from './farm.ts';

export interface HookWorld {
  database: TestDatabase;
  pool: TestDatabase['pool'];
  tenant: Tenant;
  farm: Farm;
  signer: Signer;
  sealer: Sealer;
  endpoint(url: string, more?: Partial<WebhookSettings>): Promise<{ id: string; secret: string }>;
  /** Records a fact with one event of the subject. @returns the event's TypeID */
  event(subject?: string, type?: string, tenant?: Tenant): Promise<string>;
  relay(more?: Partial<RelayOptions>): Promise<Relay>;
  deliveries(endpointId: string): Promise<{ event_id: string; status: string; attempts: number; last_error: string }[]>;
  /** Lets what waits for its next attempt be due now, and the endpoint's circuit be tried. */
  hurry(endpointId: string): Promise<void>;
  close(): Promise<void>;
}

/** A database, a farm of endpoints, and relays on demand: the delivery of events without the rest of the service. */
export async function createHookWorld(): Promise<HookWorld> {
  const database = await createTestDatabase();
  const { pool } = database;
  const farm = await startFarm();
  const signer = await createSigner(
    JSON.stringify(generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' })),
  );
  const sealer = createSealer(randomBytes(32).toString('base64'));
  const tenant: Tenant = { orgId: await createOrganization(pool, { name: 'Hooks' }), mode: 'test' };
  const stops: (() => Promise<void>)[] = [];
  return {
    database,
    pool,
    tenant,
    farm,
    signer,
    sealer,
    endpoint: (url, more = {}) =>
      insertWebhook(pool, sealer, tenant, {
        url,
        description: null,
        events: [],
        ordered: false,
        format: 'standard',
        jws: false,
        rateLimit: null,
        headers: {},
        ...more,
      }),
    async event(subject = toTypeId('pay', newId()), type = 'payment.captured', whose = tenant) {
      const { eventIds } = await recordFact(pool, {
        tenant: whose,
        at: new Date(),
        type,
        actor: 'test',
        subject,
        body: {},
        events: [{ type, subject, data: { org_id: toTypeId('org', whose.orgId) } }],
      });
      return toTypeId('evt', eventIds[0]!);
    },
    async relay(more = {}) {
      const listener = new Listener();
      const relay = startRelay({
        pool,
        sealer,
        signer,
        log: pino({ level: 'silent' }),
        publicUrl: 'http://api.test',
        allowPrivate: true,
        listener,
        ...more,
      });
      await listener.listen(database.url);
      const stop = async () => {
        await relay.stop();
        await listener.close();
      };
      stops.push(stop);
      return { stop };
    },
    async deliveries(endpointId) {
      const { rows } = await pool.query(
        'SELECT event_id, status, attempts, last_error FROM deliveries WHERE endpoint_id = $1 ORDER BY id',
        [endpointId],
      );
      return rows as Awaited<ReturnType<HookWorld['deliveries']>>;
    },
    async hurry(endpointId) {
      await pool.query(`UPDATE deliveries SET next_at = now() WHERE endpoint_id = $1 AND status = 'pending'`, [
        endpointId,
      ]);
      await pool.query(`UPDATE webhook_relay SET open_until = now() WHERE endpoint_id = $1 AND open_until > now()`, [
        endpointId,
      ]);
    },
    async close() {
      await Promise.all(stops.map((stop) => stop()));
      await farm.close();
      await database.drop();
    },
  };
}
