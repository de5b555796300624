import { randomUUID } from 'node:crypto';
import { Pool } from 'pg';
import { post } from './http-client.ts';
import type { Lifecycle } from './load.ts';
import type { BenchOptions, TargetName } from './options.ts';
import { prepareDatabase } from './prokura/seed.ts';
import { serviceRole } from './prokura/service.ts';
import { INTENT, prokuraLifecycle } from './prokura/lifecycle.ts';
import { benchProgram, type Stage } from './stage.ts';

/** Something that answers authorize, pay and capture over HTTP, running. */
export interface Target {
  name: TargetName;
  lifecycle: Lifecycle;
  /** Its database, or `undefined` when it has none. */
  database?: string;
}

export async function startTarget(name: TargetName, stage: Stage, options: BenchOptions): Promise<Target> {
  switch (name) {
    case 'floor':
      return startFloor(stage, options);
    case 'bare':
      return startBare(stage, options);
    case 'prokura':
      return startProkura(stage, options);
  }
}

async function startFloor(stage: Stage, { profile }: BenchOptions): Promise<Target> {
  const port = await stage.port();
  const DATABASE_URL = await stage.database('floor');
  await stage.start(benchProgram('floor', port, { DATABASE_URL, PROCESSOR_URL: stage.processorUrl }, profile));
  const at = steps(port);
  const lifecycle: Lifecycle = async (timed) => {
    const decided = await timed('authorize', () =>
      post<{ execution_ref: string }>(at.authorize, { key: randomUUID(), agent_id: randomUUID(), intent: INTENT }),
    );
    const { execution_ref } = decided;
    const paid = await timed('pay', () => post<{ payment_id: string }>(at.pay, { key: randomUUID(), execution_ref }));
    await timed('capture', () => post(at.capture, { key: randomUUID(), payment_id: paid.payment_id }));
  };
  return { name: 'floor', lifecycle, database: 'floor' };
}

async function startBare(stage: Stage, { fast, profile }: BenchOptions): Promise<Target> {
  const port = await stage.port();
  const env = {
    TEMPORAL_ADDRESS: stage.temporal.address,
    TEMPORAL_NAMESPACE: stage.temporal.namespace,
    PROKURA_FAST_SANDBOX: String(fast),
  };
  await stage.start(benchProgram('bare', port, env, profile));
  const at = steps(port);
  const lifecycle: Lifecycle = async (timed) => {
    const { execution_ref } = await timed('authorize', () => post<{ execution_ref: string }>(at.authorize, {}));
    await timed('pay', () => post(at.pay, { execution_ref }));
    await timed('capture', () => post(at.capture, { execution_ref }));
  };
  return { name: 'bare', lifecycle };
}

async function startProkura(stage: Stage, { fast, profile }: BenchOptions): Promise<Target> {
  const url = `http://127.0.0.1:${await stage.port()}`;
  const { databaseUrl, organization } = await prepareDatabase(stage);
  await stage.start(serviceRole({ role: 'serve', name: 'prokura', url, databaseUrl, stage, fast, profile }));
  return { name: 'prokura', lifecycle: prokuraLifecycle(url, organization), database: 'prokura' };
}

function steps(port: number) {
  const at = (step: string) => new URL(`http://127.0.0.1:${port}/${step}`);
  return { authorize: at('authorize'), pay: at('pay'), capture: at('capture') };
}

/** A connection that reads counters, on the server of `databaseUrl`. */
export function countersPool(databaseUrl: string): Pool {
  return new Pool({ connectionString: databaseUrl, max: 1 });
}
