import { randomBytes, randomUUID, generateKeyPairSync } from 'node:crypto';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import type { ActivityDeps } from '../../src/activities/deps.ts';
import { createActivities } from '../../src/activities/index.ts';
import type { ExecutionRef, LifecycleActivities, StopActivities } from '../../src/activities/types.ts';
import { toTypeId } from '../../src/domain/ids.ts';
import type { LifecycleTimers, PayRequest, RefundStep, RequestRef } from '../../src/domain/messages.ts';
import type { ProcessorPort } from '../../src/processors/port.ts';
import { createSimulatorAdapter } from '../../src/processors/simulator/adapter.ts';
import { startSimulator } from '../../src/processors/simulator/server/main.ts';
import { ReplyBus } from '../../src/store/replies.ts';
import { newId } from '../../src/trust/new-id.ts';
import { createSealer } from '../../src/trust/seal.ts';
import { createSigner } from '../../src/trust/signing.ts';
import { createWorld, type World } from '../store/world.ts';

export interface ActivityWorld extends World {
  deps: ActivityDeps;
  /** Runs one activity as a run of a step would: `attempt` 2 is a run after one that died. */
  run<Name extends keyof Activities>(
    name: Name,
    attempt: number,
    ...args: Parameters<Activities[Name]>
  ): ReturnType<Activities[Name]>;
  ref(executionId: string): ExecutionRef;
  request(): RequestRef;
  payRequest(token?: string): PayRequest;
  /** Times that each call reached the adapter since the last look. */
  calls(): Partial<Record<keyof ProcessorPort, number>>;
  /** The next call of this kind never returns: the process died in it, before or after the request went out. */
  dieIn(kind: 'authorize' | 'increment' | 'capture' | 'refund' | 'void', when: 'before' | 'after'): Promise<void>;
  /** True money effects of one payment, by the oracle. */
  effects(
    paymentId: string,
  ): Promise<{ type: string; operation_id: string; processor: string; amount_minor: number }[]>;
  control(path: string, body: unknown): Promise<void>;
  close(): Promise<void>;
}

export const TIMERS: LifecycleTimers = {
  challengeMs: 60_000,
  reviewMs: 60_000,
  tokenMs: 60_000,
  settlementMs: 60_000,
  unknownDeadlineMs: 60_000,
  visibilityLagMs: 50,
};

/** Failures here are meant: the SDK need not tell of them. */
const QUIET = new DefaultLogger('ERROR');

type Activities = LifecycleActivities & StopActivities;
type Death = { kind: string; when: 'before' | 'after'; died: () => void };

/** The activities of a worker on a database and a simulator of their own; Temporal is left out. */
export async function createActivityWorld(): Promise<ActivityWorld> {
  const dataKey = randomBytes(32).toString('base64');
  const sealer = createSealer(dataKey);
  const { privateKey } = generateKeyPairSync('ed25519');
  // The simulator's address is known only once it has a database to start on.
  const world = await createWorld({ baseUrl: '', apiKeySealed: sealer.seal('sk_test') });
  const simulator = await startSimulator({ databaseUrl: world.database.url, host: '127.0.0.1', port: 0 });
  await world.pool.query('UPDATE mids SET base_url = $1', [simulator.url]);
  let counted: Partial<Record<keyof ProcessorPort, number>> = {};
  let death: Death | undefined;
  const adapter = createSimulatorAdapter();
  const watched =
    (kind: 'authorize' | 'increment' | 'capture' | 'void' | 'refund' | 'query') => async (request: never) => {
      counted[kind] = (counted[kind] ?? 0) + 1;
      const dying = death?.kind === kind ? death : undefined;
      if (dying) death = undefined;
      const outcome =
        dying?.when === 'before' ? undefined : await (adapter[kind] as (r: never) => Promise<never>)(request);
      if (!dying) return outcome!;
      dying.died();
      return new Promise<never>(() => undefined);
    };
  const deps: ActivityDeps = {
    pool: world.pool,
    signer: await createSigner(JSON.stringify(privateKey.export({ format: 'jwk' }))),
    sealer,
    authorities: {} as ActivityDeps['authorities'],
    replies: new ReplyBus('test'),
    processors: {
      simulator: {
        kind: 'simulator',
        authorize: watched('authorize'),
        increment: watched('increment'),
        capture: watched('capture'),
        void: watched('void'),
        refund: watched('refund'),
        query: watched('query'),
      },
    },
    processorTimeoutMs: 2_000,
    publicUrl: 'http://api.test',
    signal: async () => true,
    now: () => new Date(),
    handover: new Map(),
  };
  const activities = createActivities(deps);
  const post = async (path: string, body: unknown) => {
    const answer = await fetch(`${simulator.url}/control/${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    if (!answer.ok) throw new Error(await answer.text());
  };
  const self: ActivityWorld = {
    ...world,
    deps,
    run(name, attempt, ...args) {
      // No two workflows have one id.
      const workflowExecution = { workflowId: `test:${randomUUID()}`, runId: randomUUID() };
      const environment = new MockActivityEnvironment({ attempt, workflowExecution }, { logger: QUIET });
      const activity = activities[name] as (...all: unknown[]) => Promise<unknown>;
      return environment.run(activity, ...args) as never;
    },
    ref: (executionId) => ({ tenant: world.tenant, executionId, timers: TIMERS }),
    request: () => ({ key: randomUUID(), fingerprint: 'fingerprint', actor: 'api_key:test', replyTo: 'test' }),
    payRequest: (token = 'tok_approve') => ({
      request: self.request(),
      operationId: newId(),
      sealedMethod: sealer.seal(JSON.stringify({ type: 'token', token })),
      capture: 'manual',
    }),
    calls() {
      const now = counted;
      counted = {};
      return now;
    },
    dieIn: (kind, when) => new Promise((died) => void (death = { kind, when, died })),
    async effects(paymentId) {
      const answer = await fetch(`${simulator.url}/control/effects?reference=${toTypeId('pay', paymentId)}`);
      return ((await answer.json()) as { data: Awaited<ReturnType<ActivityWorld['effects']>> }).data;
    },
    control: post,
    async close() {
      await simulator.stop();
      await world.database.drop();
    },
  };
  return self;
}

/** Begins a run of a step that will not come back from its call, and waits until it is in there. */
export async function dead(died: Promise<void>, run: Promise<RefundStep>): Promise<void> {
  await Promise.race([
    died,
    run.then((step) => {
      throw new Error(`the run came back: ${JSON.stringify(step)}`);
    }),
  ]);
}
