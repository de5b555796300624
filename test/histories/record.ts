import { readdir, rm, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, Connection, type WorkflowHandle } from '@temporalio/client';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { assembleCast } from '../../src/cli/demo/cast.ts';
import { createClient } from '../../src/cli/demo/client.ts';
import { parseId, toTypeId } from '../../src/domain/ids.ts';
import type { Scene } from '../../src/cli/demo/story.ts';
import { tell } from '../../src/cli/demo/tell.ts';
import { backtestWorkflowId } from '../../src/workflows/identity.ts';
import { startHarness } from '../setup/harness/server.ts';
import { shared } from '../setup/harness/client.ts';
import { startTestService, type TestService } from '../setup/service.ts';
import { crlRefreshId } from '../../src/workflows/identity.ts';
import { neutral } from './neutral.ts';
import { importWorkflowId, webhookWorkflowId } from '../../src/workflows/identity.ts';
import { BACKTEST, COMPACTOR, COVERAGE, IMPORT, LISTS, PATHS, SEALER, SUPERVISOR, type Path } from './paths.ts';

const PATIENCE_MS = 20_000;
const FOLDER = new URL('./', import.meta.url);

/**
 * Plays every path against the real service and stores the histories that Temporal recorded, one file each, in place of
 * those that are there: `node --import tsx test/histories/record.ts`. Nothing is stored unless every path went as told.
 */
async function record(): Promise<void> {
  const harness = await startHarness();
  process.env['TEST_HARNESS_URL'] = harness.url;
  try {
    const service = await startTestService({
      PROCESSOR_VISIBILITY_LAG_MS: '200',
      PROCESSOR_TIMEOUT_MS: '1500',
      AUDIT_SEAL_SECONDS: '2',
      COVERAGE_SECONDS: '2',
    });
    try {
      const { address, namespace } = await shared('temporal');
      const connection = await Connection.connect({ address });
      const client = new Client({ connection, namespace });
      const recorded = new Map<string, string>();
      for (const path of PATHS) recorded.set(path.name, await recordPath(path, service, client));
      recorded.set(BACKTEST, await recordBacktest(service, client));
      recorded.set(SEALER, await recordSealer(service, client));
      recorded.set(COMPACTOR, await recordCompactor(service, client));
      recorded.set(LISTS, await recordLists(service, client));
      recorded.set(SUPERVISOR, await recordSupervisor(service, client));
      recorded.set(IMPORT, await recordImport(service, client));
      recorded.set(COVERAGE, await recordCoverage(service, client));
      await connection.close();
      await store(recorded);
    } finally {
      await service.close();
    }
  } finally {
    await harness.stop();
  }
}

async function recordPath(path: Path, service: TestService, client: Client): Promise<string> {
  const api = createClient(service.url, service.credentials.api_key);
  const simulator = createClient(service.simulatorUrl);
  const cast = await assembleCast(api);
  const story = { title: path.name, play: (scene: Scene) => path.play(scene, service.url, client) };
  const report = await tell(story, { api, simulator, cast, log: () => undefined });
  if (!report.ok) throw new Error(`${path.name} did not go as told: ${JSON.stringify(report.steps, null, 2)}`);
  const handle = await handleOf(path, { ...report, agent_id: cast.agent_id }, service, client);
  await ended(path, handle);
  const history = neutral(historyToJSON(await handle.fetchHistory()));
  const { events } = history;
  console.log(`${path.name}: ${events.length} events`);
  return `${JSON.stringify(history, null, 1)}\n`;
}

/** The sealer never ends: the history of a run with some passes, after everything above gave it something to seal. */
async function recordSealer({ taskQueue }: TestService, client: Client): Promise<string> {
  const handle = client.workflow.getHandle(`audit-sealer:${taskQueue}`);
  const history = neutral(historyToJSON(await handle.fetchHistory()));
  const passes = history.events.filter(({ eventType }) => eventType === 'EVENT_TYPE_ACTIVITY_TASK_COMPLETED').length;
  if (passes < 3) throw new Error(`the sealer made only ${passes} passes`);
  console.log(`${SEALER}: ${history.events.length} events`);
  return `${JSON.stringify(history, null, 1)}\n`;
}

/** Over everything that the paths have left. */
async function recordBacktest({ url, credentials }: TestService, client: Client): Promise<string> {
  const api = createClient(url, credentials.api_key);
  const { body } = await api.post<{ backtest_id: string }>('/v1/policies/backtest', { rules: { max_amount: 100_00 } });
  const tenant = { orgId: parseId(credentials.org_id, 'org')!, mode: 'test' as const };
  const handle = client.workflow.getHandle(backtestWorkflowId(tenant, parseId(body.backtest_id, 'bkt')!));
  // The answer does not wait for the start.
  for (let open = true; open; await sleep(200)) {
    const { status } = await api.get<{ status: string }>(`/v1/policies/backtests/${body.backtest_id}`);
    open = status === 'queued' || status === 'running';
  }
  await ended({ name: BACKTEST }, handle);
  const history = neutral(historyToJSON(await handle.fetchHistory()));
  console.log(`${BACKTEST}: ${history.events.length} events`);
  return `${JSON.stringify(history, null, 1)}\n`;
}

/** The compactor never ends either; a pass finds nothing, and waits. */
async function recordCompactor({ taskQueue }: TestService, client: Client): Promise<string> {
  const handle = client.workflow.getHandle(`behaviour-compactor:${taskQueue}`);
  const history = neutral(historyToJSON(await handle.fetchHistory()));
  if (!history.events.some(({ eventType }) => eventType === 'EVENT_TYPE_TIMER_STARTED')) throw new Error('no pass');
  console.log(`${COMPACTOR}: ${history.events.length} events`);
  return `${JSON.stringify(history, null, 1)}\n`;
}

/** What keeps the lists never ends: the history of a run with the pass at its start, and those of two revocations. */
async function recordLists({ taskQueue, url, credentials }: TestService, client: Client): Promise<string> {
  const api = createClient(url, credentials.api_key);
  const handle = client.workflow.getHandle(crlRefreshId(taskQueue));
  const passes = async () => {
    const history = neutral(historyToJSON(await handle.fetchHistory()));
    const done = history.events.filter(({ eventType }) => eventType === 'EVENT_TYPE_ACTIVITY_TASK_COMPLETED').length;
    return { done, history };
  };
  for (let revoked = 0; revoked < 2; revoked++) {
    const { body: agent } = await api.post<{ data: { id: string } }>('/v1/agents', { name: 'a', model_hash: 'x' });
    const path = `/v1/agents/${agent.data.id}/certify`;
    const { body: certificate } = await api.post<{ data: { id: string } }>(path, { key: 'p-256' });
    await api.post(`/v1/certificates/${certificate.data.id}/revoke`, { reason: 'recorded' });
    for (const deadline = Date.now() + PATIENCE_MS; (await passes()).done < revoked + 2; await sleep(100)) {
      if (Date.now() > deadline) throw new Error('the lists were not signed anew');
    }
  }
  const { history } = await passes();
  console.log(`${LISTS}: ${history.events.length} events`);
  return `${JSON.stringify(history, null, 1)}\n`;
}

/** The supervisor of an endpoint: it is made, asked for a replay, and deleted; then it ends. */
async function recordSupervisor(service: TestService, client: Client): Promise<string> {
  const made = await service.api<{ data: { id: string } }>('POST', '/v1/webhooks', {
    url: 'http://127.0.0.1:18099/',
    events: [],
  });
  const { id } = made.body.data;
  const tenant = { orgId: parseId(service.credentials.org_id, 'org')!, mode: 'test' as const };
  const handle = client.workflow.getHandle(webhookWorkflowId(tenant, id));
  await sleep(3_000);
  await service.api('POST', `/v1/webhooks/${id}/replays`, { what: 'missed' });
  await sleep(3_000);
  await service.api('DELETE', `/v1/webhooks/${id}`);
  await Promise.race([handle.result(), sleep(PATIENCE_MS, undefined, { ref: false })]);
  const history = neutral(historyToJSON(await handle.fetchHistory()));
  const last = history.events.at(-1)?.eventType;
  if (last !== 'EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED') throw new Error(`the supervisor ended with ${last}`);
  console.log(`${SUPERVISOR}: ${history.events.length} events`);
  return `${JSON.stringify(history, null, 1)}\n`;
}

/** A small file, to its end. */
async function recordImport(service: TestService, client: Client): Promise<string> {
  const line = 'l1,capture,pay_00000000000000000000000000,,1000,10,EUR,s1,2026-03-05';
  const header = 'line_id,type,reference,operation_id,amount_minor,fee_minor,currency,settlement_id,settled_at';
  const file = { processor: 'alpha', content: `${header}\n${line}\n` };
  const { body } = await service.api<{ import_id: string }>('POST', '/v1/settlements/imports', file);
  const tenant = { orgId: parseId(service.credentials.org_id, 'org')!, mode: 'test' as const };
  const handle = client.workflow.getHandle(importWorkflowId(tenant, parseId(body.import_id, 'imp')!));
  // The answer does not wait for the start.
  for (let open = true; open; await sleep(200)) {
    const now = await service.api<{ status: string }>('GET', `/v1/settlements/imports/${body.import_id}`);
    open = now.body.status !== 'completed';
  }
  await ended({ name: IMPORT }, handle);
  const history = neutral(historyToJSON(await handle.fetchHistory()));
  console.log(`${IMPORT}: ${history.events.length} events`);
  return `${JSON.stringify(history, null, 1)}\n`;
}

/** What measures coverage never ends: the history of a run with some passes. */
async function recordCoverage({ taskQueue }: TestService, client: Client): Promise<string> {
  const handle = client.workflow.getHandle(`coverage-watch:${taskQueue}`);
  const history = neutral(historyToJSON(await handle.fetchHistory()));
  const fired = history.events.filter(({ eventType }) => eventType === 'EVENT_TYPE_TIMER_FIRED').length;
  if (fired < 2) throw new Error(`coverage was measured only ${fired} times`);
  console.log(`${COVERAGE}: ${history.events.length} events`);
  return `${JSON.stringify(history, null, 1)}\n`;
}

async function handleOf(
  { workflow }: Path,
  { execution_ref, payment_id, agent_id }: { execution_ref?: string; payment_id?: string; agent_id: string },
  { database }: TestService,
  client: Client,
): Promise<WorkflowHandle> {
  if (workflow === 'executionLifecycle') {
    const { rows } = await database.pool.query<{ workflow_id: string }>(
      'SELECT workflow_id FROM executions WHERE id = $1',
      [parseId(execution_ref!, 'exec')],
    );
    return client.workflow.getHandle(rows[0]!.workflow_id);
  }
  // Visibility lags behind by a moment.
  for (const deadline = Date.now() + PATIENCE_MS; Date.now() < deadline; await sleep(100)) {
    const whose = ['freeze', 'assessmentReview', 'agentWatch'].includes(workflow)
      ? `Agent = '${toTypeId('agt', parseId(agent_id, 'agt')!)}'`
      : `Payment = '${payment_id}'`;
    const query = `WorkflowType = '${workflow}' AND ${whose}`;
    for await (const { workflowId } of client.workflow.list({ query })) return client.workflow.getHandle(workflowId);
  }
  throw new Error(`no ${workflow} of ${payment_id} is to be found`);
}

async function ended({ name }: Pick<Path, 'name'>, handle: WorkflowHandle): Promise<void> {
  const end = await Promise.race([handle.result().then(() => 'ended'), sleep(PATIENCE_MS, 'running', { ref: false })]);
  if (end !== 'ended') throw new Error(`the workflow of ${name} did not end`);
}

async function store(recorded: Map<string, string>): Promise<void> {
  for (const file of await readdir(FOLDER)) if (file.endsWith('.json')) await rm(new URL(file, FOLDER));
  for (const [name, text] of recorded) await writeFile(new URL(`${name}.json`, FOLDER), text);
}

await record();
// The simulator and the servers have ended; what the SDK's native runtime keeps open has nothing left to do.
process.exit(0);
