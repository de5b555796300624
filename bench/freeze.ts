import { setTimeout as sleep } from 'node:timers/promises';
import { Client, Connection } from '@temporalio/client';
import { Command } from 'commander';
import { type Log, logTo, step } from '../src/cli/output.ts';
import { parseId } from '../src/domain/ids.ts';
import { caller, each, openLifecycles, openUnder, type Open } from './freeze/open.ts';
import { setFreezeStage, type FreezeStage } from './freeze/stage.ts';
import { percentile } from './load.ts';
import { positive } from './options.ts';
import { setStage } from './stage.ts';

/** The processor that hangs while the freeze is made. */
const HANGS = 'delta';
const AIM_MS = 1_000;
const PATIENCE_MS = 120_000;
/** Payments, and captures, that are tried under each freeze. */
const TRIED = 40;

interface Options {
  open: number;
  rounds: number;
  revocations: number;
}

interface Frozen {
  freeze_id: string;
  status: string;
  stopped: { executions: number };
  voided: string[];
  still_dangerous: { payment_id: string; processor: string; why: string }[];
}

/**
 * Freezes an organization with many open lifecycles while one of its four processors hangs, and revokes an agent with as
 * many: how long the answer takes, and how long until everything has heard of it. The processors are asked afterwards:
 * nothing that was called stopped may have moved money.
 */
const options = new Command('freeze')
  .option('--open <n>', 'open lifecycles in each round', positive, 1_000)
  .option('--rounds <n>', 'freezes', Number, 8)
  .option('--revocations <n>', 'revocations', Number, 3)
  .parse()
  .opts<Options>();
const log = logTo(false);
const stage = await setStage(log);
let bad = 0;
try {
  const here = await setFreezeStage(stage, log);
  const connection = await Connection.connect({ address: stage.temporal.address });
  const temporal = new Client({ connection, namespace: stage.temporal.namespace });
  await step(log, 'warm-up', () => openLifecycles(here, 200, 0));
  await caller(here)('/v1/identities/freeze', {
    organization: true,
    reason: 'warm-up',
    void_open_authorizations: true,
    wait_ms: 5_000,
  });
  await liftAll(here);
  const freezes: Record<string, number>[] = [];
  for (let round = 1; round <= options.rounds; round++) freezes.push(await freezeRound(here, round));
  distribution(log, `freeze of an organization, ${options.open} open, ${HANGS} hangs`, freezes);
  const revocations: Record<string, number>[] = [];
  for (let round = 1; round <= options.revocations; round++) revocations.push(await revokeRound(here, temporal, round));
  distribution(log, `revocation of an agent, ${options.open} open`, revocations);
  const p95 = percentile(
    freezes.map((round) => round['answer']!),
    0.95,
  );
  verdict('p95 of the answer to a freeze, ms', Math.round(p95), freezes.length === 0 || p95 < AIM_MS);
  await connection.close();
  await here.pool.end();
} finally {
  await stage.stop();
}
process.exit(bad === 0 ? 0 : 1);

function verdict(what: string, value: number | string, good: boolean): void {
  log(`${good ? '✓' : '✗'} ${what}: ${value}`);
  if (!good) bad++;
}

async function freezeRound(here: FreezeStage, round: number): Promise<Record<string, number>> {
  const call = caller(here);
  const open = await openLifecycles(here, options.open, round * options.open);
  await control(here, 'outage', { processor: HANGS, mode: 'hang' });
  const started = performance.now();
  const since = () => performance.now() - started;
  const refused = refusesAfter(here, since);
  const frozen = await call<Frozen>('/v1/identities/freeze', {
    organization: true,
    reason: 'bench',
    void_open_authorizations: true,
  });
  const answer = since();
  const tellings = toldAfter(here, frozen.freeze_id, since);
  await expectNothingMoves(here, open, frozen);
  const told = await tellings;
  await control(here, 'outage', { processor: HANGS, mode: 'off' });
  const back = since();
  const confirmed = (await confirmedAfter(here, frozen.freeze_id, since)) - back;
  await liftAll(here);
  const line = { answer, refused: await refused, told, 'confirmed, from when it answers again': confirmed };
  const { stopped, voided, still_dangerous } = frozen;
  log(
    `  round ${round}: ${milliseconds(line)}; at the answer ${stopped.executions} stopped, ${voided.length} voided, ${still_dangerous.length} still dangerous`,
  );
  return line;
}

/** Whatever is tried under the freeze, and whatever was under way: the processors' own books say what moved. */
async function expectNothingMoves(here: FreezeStage, open: Open, frozen: Frozen): Promise<void> {
  const call = caller(here);
  // Some of them: refusals that go through Temporal would weigh on what is measured next.
  const attempts = [
    ...open.tokens
      .slice(0, TRIED)
      .map(
        (execution_token) =>
          [
            '/v1/payments/authorize',
            { execution_token, payment_method: { type: 'token', token: 'tok_approve' } },
          ] as const,
      ),
    ...open.holds.slice(0, TRIED).map(({ paymentId }) => ['/v1/payments/capture', { payment_id: paymentId }] as const),
  ];
  let passed = 0;
  await each(attempts.length, async (index) => {
    const [path, body] = attempts[index]!;
    await call(path, body).then(
      () => passed++,
      () => undefined,
    );
  });
  verdict('payments and captures that passed a freeze', passed, passed === 0);
  const spent = open.tokens.map((token) => token.split('.')[0]!.replace('exec_', 'pay_'));
  const moved = new Map<string, string[]>();
  for (const reference of [...spent, ...open.holds.map(({ paymentId }) => paymentId)]) {
    const answer = await fetch(`${here.simulatorUrl}/control/effects?reference=${reference}`);
    const { data } = (await answer.json()) as { data: { type: string }[] };
    moved.set(
      reference,
      data.map(({ type }) => type),
    );
  }
  const wrong = [...moved].filter(([reference, types]) => {
    if (types.includes('capture')) return true;
    if (spent.includes(reference)) return types.length > 0;
    return frozen.voided.includes(reference) && !types.includes('void');
  });
  verdict('lifecycles that moved money though they were called stopped or voided', wrong.length, wrong.length === 0);
  const named = new Set([...frozen.voided, ...frozen.still_dangerous.map(({ payment_id }) => payment_id)]);
  const unnamed = open.holds.filter(({ paymentId }) => !named.has(paymentId));
  verdict('holds that the answer names neither as voided nor as dangerous', unnamed.length, unnamed.length === 0);
  const all = open.challenged.length + open.tokens.length;
  verdict(
    'executions that the answer does not count as stopped',
    all - frozen.stopped.executions,
    all === frozen.stopped.executions,
  );
}

async function revokeRound(here: FreezeStage, temporal: Client, round: number): Promise<Record<string, number>> {
  // From the other end: agents that no freeze has used.
  const agentId = here.organization.agentIds.at(-round)!;
  const decisions = await openUnder(here, agentId, here.plain.at(-round)!, options.open);
  const started = performance.now();
  const since = () => performance.now() - started;
  const refused = refusesAfter(here, since, agentId);
  const { affected_executions } = await caller(here)<{ affected_executions: object[] }>('/v1/identities/revoke', {
    agent_id: agentId,
    reason: 'bench',
  });
  const answer = since();
  const { rows } = await here.pool.query<{ id: string }>(`SELECT id FROM stops WHERE target = $1`, [
    parseId(agentId, 'agt'),
  ]);
  const told = await toldAfter(here, rows[0]!.id, since);
  const query = `WorkflowType = 'executionLifecycle' AND Agent = '${agentId}' AND ExecutionStatus = 'Running'`;
  while ((await temporal.workflow.count(query)).count > 0) await sleep(20);
  const line = { answer, refused: await refused, told, closed: since() };
  log(`  revocation ${round}: ${milliseconds(line)}; ${JSON.stringify(decisions)}`);
  const waiting = (decisions['approved'] ?? 0) + (decisions['challenge'] ?? 0);
  verdict(
    'executions that a revocation did not reach',
    waiting - affected_executions.length,
    waiting === affected_executions.length,
  );
  return line;
}

/** Until a decision for the agent could not be committed any more: what the database itself says, asked all the time. */
async function refusesAfter(
  here: FreezeStage,
  since: () => number,
  agentId = here.organization.agentIds[0]!,
): Promise<number> {
  const { orgId, principalId } = here.organization;
  for (;;) {
    const { rows } = await here.pool.query<{ stands: boolean }>(
      `SELECT authority_stands($1, 'test', $2, $3, NULL, 'mrc') AS stands`,
      [parseId(orgId, 'org'), parseId(agentId, 'agt'), parseId(principalId, 'prn')],
    );
    if (!rows[0]!.stands) return since();
    await sleep(2);
  }
}

/** Until every workflow that waited has the signal. */
async function toldAfter(here: FreezeStage, id: string, since: () => number): Promise<number> {
  for (;;) {
    const { rows } = await here.pool.query<{ n: string }>(
      `SELECT count(*) AS n FROM stopped WHERE stop_id = $1 AND told_at IS NULL AND what <> 'payment'`,
      [parseId(id, 'frz')],
    );
    if (Number(rows[0]!.n) === 0) return since();
    await sleep(10);
  }
}

async function confirmedAfter(here: FreezeStage, id: string, since: () => number): Promise<number> {
  for (const deadline = Date.now() + PATIENCE_MS; Date.now() < deadline; await sleep(100)) {
    const { rows } = await here.pool.query<{ status: string }>(`SELECT status FROM stops WHERE id = $1`, [
      parseId(id, 'frz'),
    ]);
    if (rows[0]!.status === 'confirmed') return since();
  }
  throw new Error('the freeze was not confirmed');
}

async function liftAll(here: FreezeStage): Promise<void> {
  const answer = await fetch(`${here.url}/v1/identities/freezes?active=true`, {
    headers: { authorization: `Bearer ${here.organization.apiKey}` },
  });
  const { data } = (await answer.json()) as { data: Frozen[] };
  for (const { freeze_id } of data) await caller(here)('/v1/identities/unfreeze', { freeze_id, reason: 'bench' });
}

async function control({ simulatorUrl }: FreezeStage, path: string, body: object): Promise<void> {
  const headers = { 'content-type': 'application/json' };
  await fetch(`${simulatorUrl}/control/${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
}

function milliseconds(line: Record<string, number>): string {
  return Object.entries(line)
    .map(([name, value]) => `${name} ${Math.round(value)} ms`)
    .join(', ');
}

function distribution(log: Log, title: string, rounds: Record<string, number>[]): void {
  if (rounds.length === 0) return;
  log(`\n${title}: milliseconds from the request, ${rounds.length} rounds\n`);
  log('| until | p50 | p95 | worst |');
  log('| --- | --- | --- | --- |');
  for (const name of Object.keys(rounds[0]!)) {
    const values = rounds.map((round) => round[name]!);
    log(
      `| ${name} | ${[percentile(values, 0.5), percentile(values, 0.95), Math.max(...values)].map(Math.round).join(' | ')} |`,
    );
  }
  log('');
}
