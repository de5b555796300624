import { randomUUID } from 'node:crypto';
import { SCOPES } from '../../src/domain/access-scopes.ts';
import { parseId, toTypeId } from '../../src/domain/ids.ts';
import { insertApiKey, newApiKeySecret } from '../../src/store/api-keys.ts';
import { insertCoverageReport } from '../../src/store/ledger/coverage.ts';
import { createOrganization } from '../../src/store/organizations.ts';
import { insertRefundChallenge } from '../../src/store/refunds/challenge.ts';
import { insertRefundRequest } from '../../src/store/refunds/request.ts';
import { newId } from '../../src/trust/new-id.ts';
import { openMissing } from '../../src/store/settlement/exceptions.ts';
import { tellOperation } from '../../src/store/payments/news.ts';
import { eventually, startJourney, type Cast, type Journey, type Payment } from '../journeys/journey.ts';
import { ENDING, MADE_KINDS, MEMBER_KINDS } from './known.ts';
import { fill, isTypeId, operationsOf, type Operation } from './operations.ts';

export interface Answer {
  status: number;
  body: unknown;
  headers: Headers;
}

export type Whose = 'another organization' | 'the other mode';

interface Stranger {
  key: string;
  ids: Map<string, string>;
  /** Whether a thing of this kind belongs to the stranger as well: an organization has two modes. */
  isOwn: (kind: string) => boolean;
}

export interface Stage {
  t: Journey;
  operations: Operation[];
  /** One real id of each kind in the organization. */
  ids: Map<string, string>;
  /** Another organization, and the organization's other mode: a key of every scope, and ids of things of their own. */
  strangers: Record<Whose, Stranger>;
  own: string;
  call(operation: Operation, request: { path: string; body?: unknown }, key: string): Promise<Answer>;
  keyWith(scopes: string[]): Promise<string>;
  /** Rows of the organization's tables in its mode, and the heads of both audit trails: what a stranger may not move. */
  footprint(): Promise<unknown>;
  close(): Promise<void>;
}

/** The service with one of everything: what a lifecycle makes, and whatever the documented examples make besides. */
export async function setStage(): Promise<Stage> {
  const off = { RATE_LIMIT_FAILURES_PER_IP: '0', WEBHOOK_ALLOW_PRIVATE: 'true', AUDIT_SEAL_SECONDS: '1' };
  const t = await startJourney(off);
  const { pool } = t.database;
  const document = (await t.api('GET', '/openapi.json')).body as unknown as Parameters<typeof operationsOf>[0];
  const operations = operationsOf(document);
  const orgId = parseId(t.credentials.org_id, 'org')!;
  const keyOf = async (tenant: { orgId: string; mode: 'test' | 'live' }, scopes: readonly string[]) => {
    const secret = newApiKeySecret(tenant.mode);
    await insertApiKey(pool, { tenant, name: 'isolation', scopes: [...scopes], secret });
    return secret;
  };
  const call: Stage['call'] = (operation, { path, body }, key) =>
    t.api(operation.method, path, body, {
      authorization: key && `Bearer ${key}`,
      ...(operation.method === 'GET' ? {} : { 'idempotency-key': randomUUID() }),
    });
  const ids = await makeLifecycle(t);
  await makeTheRest(operations, ids, (operation, request) => call(operation, request, t.credentials.api_key));
  // The entry of the audit trail is anchored some time after it was written.
  await eventually(
    () => t.api('GET', `/v1/audit/proof?entry_id=${ids.get('ae')}`),
    ({ status }) => status === 200,
    30_000,
  );
  // A settlement file is worked off some time after it came; its line is of a payment that nobody made.
  await eventually(
    () => t.api<{ data: { status: string }[] }>('GET', '/v1/settlements/imports'),
    ({ body }) => body.data.every(({ status }) => status !== 'queued' && status !== 'running'),
    30_000,
  );
  // What only time makes: a settlement that is overdue, a measurement of coverage.
  const own = { orgId, mode: 'test' as const };
  const at = new Date();
  await openMissing(pool, own, {
    id: newId(),
    paymentId: parseId(ids.get('pay')!, 'pay')!,
    capturedMinor: 1,
    settledMinor: 0,
    currency: 'EUR',
    at,
  });
  await insertCoverageReport(pool, own, { id: newId(), from: new Date(0), to: at, counts: [], at });
  for (const path of ['/v1/reconciliation/exceptions', '/v1/settlements']) {
    const list = operations.find((operation) => operation.name === `GET ${path}`)!;
    keep(list, (await t.api('GET', path)).body, ids);
  }
  // Backtests end by themselves, and write that down.
  await eventually(
    () => t.api<{ data: { status: string }[] }>('GET', '/v1/policies/backtests'),
    ({ body }) => body.data.every(({ status }) => status === 'completed'),
    30_000,
  );
  // So do imports of settlement files.
  await eventually(
    () => t.api<{ data: { status: string }[] }>('GET', '/v1/settlements/imports'),
    ({ body }) => body.data.every(({ status }) => status !== 'queued' && status !== 'running'),
    30_000,
  );
  const strangerOf = async (tenant: { orgId: string; mode: 'test' | 'live' }): Promise<Stranger> => {
    const key = await keyOf(tenant, SCOPES);
    const made = new Map<string, string>();
    await makeTheRest(operations, made, (operation, request) => call(operation, request, key));
    return { key, ids: made, isOwn: (kind) => kind === 'org' && tenant.orgId === orgId };
  };
  return {
    t,
    operations,
    ids,
    own: t.credentials.api_key,
    strangers: {
      'another organization': await strangerOf({
        orgId: await createOrganization(pool, { name: 'Stranger' }),
        mode: 'test',
      }),
      'the other mode': await strangerOf({ orgId, mode: 'live' }),
    },
    call,
    keyWith: (scopes) => keyOf({ orgId, mode: 'test' }, scopes),
    footprint: () => footprintOf(t, orgId),
    close: () => t.close(),
  };
}

/** A paid, a challenged and an approved execution of one cast, by kind of id. */
async function makeLifecycle(t: Journey): Promise<Map<string, string>> {
  const cast = await t.cast();
  const paid = (await t.pay(await t.approved(cast))).body;
  await t.becomes(paid, ({ status }) => status === 'authorized');
  const challenged = (await t.propose(cast, { delegation_id: cast.cautious })).body;
  await makeReview(t, cast);
  const approved = await t.approved(cast);
  const planned = await t.api<{ route_plan_id: string }>('POST', '/v1/payments/route', {
    execution_ref: approved.execution_ref,
  });
  await makeConflict(t, paid);
  const conflicts = await t.api<{ data: { conflict_id: string }[] }>('GET', '/v1/payments/conflicts');
  const told = await t.api<{ data: { id: string }[] }>('POST', '/v1/execution/events/query', { limit: 1 });
  const op = await makeRefundRequest(t, paid);
  return new Map(
    Object.entries({
      op,
      psk: await makePasskey(t, cast),
      evt: told.body.data[0]!.id,
      org: t.credentials.org_id,
      // Chosen by whoever makes it.
      trust_domain: 'acme.example',
      prn: cast.principal_id,
      agt: toTypeId('agt', cast.agent_id),
      del: cast.everyday,
      exec: approved.execution_ref,
      execution_token: approved.execution_token!,
      chl: challenged.challenge!.challenge_id,
      pay: paid.payment_id,
      'op:payment': paid.operations[0]!.operation_id,
      dsp: await makeDispute(t, paid),
      cfl: conflicts.body.data[0]!.conflict_id,
      rtp: planned.body.route_plan_id,
      ae: toTypeId('ae', parseId((approved as { audit_ref?: string }).audit_ref!, 'aud')!),
    }),
  );
}

/** A passkey of the principal. @returns its id */
async function makePasskey(t: Journey, { principal_id }: Cast): Promise<string> {
  const { rows } = await t.database.pool.query<{ id: string }>(
    `INSERT INTO principal_passkeys (id, org_id, mode, principal_id, credential_id, public_key, rp_id, counter,
                                     transports, synced, name, created_at)
     SELECT $2, org_id, mode, id, 'AbCd', '', 'localhost', 0, '{}', false, 'phone', now() FROM principals WHERE id = $1
     RETURNING id`,
    [parseId(principal_id, 'prn'), newId()],
  );
  return toTypeId('psk', rows[0]!.id);
}

/** A refund that waits for a person. @returns its id */
async function makeRefundRequest(t: Journey, { payment_id }: Payment): Promise<string> {
  const id = newId();
  const { rows } = await t.database.pool.query<{ org_id: string; audit_id: string }>(
    `SELECT org_id, id AS audit_id FROM audit_entries WHERE subject = $1 LIMIT 1`,
    [payment_id],
  );
  const { org_id: orgId, audit_id: auditId } = rows[0]!;
  const asked = { paymentId: parseId(payment_id, 'pay')!, amountMinor: 1, currency: 'EUR', merchantRef: 'mrc_hotel' };
  const nobody = { agentId: null, principalId: null, delegationId: null };
  const policy = { rule: 'review_above', message: 'an operator must look', explanations: [], quorum: 1 };
  const times = { openedAt: new Date(), expiresAt: new Date(Date.now() + 3_600_000) };
  await insertRefundRequest(
    t.database.pool,
    { orgId, mode: 'test' },
    { id, workflowId: 'refund:isolation', auditId, ...asked, ...nobody, ...policy, ...times },
  );
  // The principal is asked under the same id.
  await insertRefundChallenge(
    t.database.pool,
    { orgId, mode: 'test' },
    {
      id,
      workflowId: 'refund:isolation',
      paymentId: asked.paymentId,
      intent: {
        action: 'payment.refund',
        amountMinor: 1,
        currency: 'EUR',
        merchantRef: 'mrc_hotel',
        channel: 'chatpay',
      },
      amountMinor: 1,
      principalId: newId(),
      rule: 'step_up_above',
      message: 'the principal must confirm',
      explanations: [],
      attempts: 3,
      ...times,
    },
  );
  return toTypeId('op', id);
}

/** A notification that an authorization failed which is on record as made. */
async function makeConflict(t: Journey, { payment_id, operations: [operation] }: Payment): Promise<void> {
  const ids = { paymentId: parseId(payment_id, 'pay')!, operationId: parseId(operation!.operation_id, 'op')! };
  const evidence = { source: 'notification', says: 'failed', detail: 'isolation', at: new Date() } as const;
  await tellOperation(t.database.pool, { ...ids, from: 'alpha' }, evidence);
}

/** An inquiry that was withdrawn: nothing comes of it any more. */
async function makeDispute(t: Journey, { payment_id }: Payment): Promise<string> {
  const id = newId();
  await t.database.pool.query(
    `INSERT INTO disputes (id, org_id, mode, payment_id, mid_id, processor, processor_dispute_id, status, amount_minor,
       currency, opened_at, updated_at, closed_at, driven_at)
     SELECT $1, org_id, mode, id, mid_id, processor, 'dp_isolation', 'withdrawn', 1, currency, now(), now(), now(), now()
       FROM payments WHERE id = $2`,
    [id, parseId(payment_id, 'pay')],
  );
  return toTypeId('dsp', id);
}

/** One that waits for an operator: for a moment the principal has nothing to answer a challenge with. */
async function makeReview(t: Journey, cast: Cast): Promise<void> {
  const { pool } = t.database;
  const id = parseId(cast.principal_id, 'prn');
  const { rows } = await pool.query<{ seed: string }>(
    'SELECT totp_secret_sealed AS seed FROM principals WHERE id = $1',
    [id],
  );
  const enrol = (seed: string | null) =>
    pool.query('UPDATE principals SET totp_secret_sealed = $2 WHERE id = $1', [id, seed]);
  await enrol(null);
  await t.propose(cast, { delegation_id: cast.cautious });
  await enrol(rows[0]!.seed);
}

/**
 * Calls whatever makes something with its documented example, until no call makes a new kind: first what needs no id in
 * its path, then what is made under something else.
 */
async function makeTheRest(
  operations: Operation[],
  ids: Map<string, string>,
  call: (operation: Operation, request: { path: string; body: unknown }) => Promise<Answer>,
): Promise<void> {
  const makers = operations
    .filter(({ method, isPublic, path }) => ['POST', 'PUT'].includes(method) && !isPublic && !ENDING.test(path))
    .filter(({ path }) => !path.startsWith('/v1/execution/') && !path.startsWith('/v1/payments/'))
    .sort((a, b) => a.pathParameters.length - b.pathParameters.length);
  // Its example would end what is needed: nobody is frozen instead.
  const freeze = operations.find(({ path }) => path === '/v1/identities/freeze')!;
  const frozen = await call(freeze, { path: freeze.path, body: { merchant_ref: 'mrc_nobody', reason: 'isolation' } });
  keep(freeze, frozen.body, ids);
  for (const operation of makers) {
    if (operation.takesBody && operation.example === undefined) continue;
    if (!fillable(operation, ids)) continue;
    const answer = await call(
      operation,
      fill(operation, (kind) => ids.get(kind)!),
    );
    if (answer.status < 300) keep(operation, answer.body, ids);
  }
  // What nobody makes by a call of its own, such as entries of the audit trail, is found in the lists.
  for (const operation of operations.filter(
    ({ isList, isPublic, path }) => isList && !isPublic && !path.includes('{'),
  )) {
    keep(operation, (await call(operation, { path: operation.path, body: undefined })).body, ids);
  }
}

function fillable(operation: Operation, ids: Map<string, string>): boolean {
  try {
    fill(operation, (kind) => ids.get(kind)!);
    return true;
  } catch {
    return false;
  }
}

const NAMED_KINDS = new Set([...Object.values(MEMBER_KINDS), ...Object.values(MADE_KINDS)]);

function keep(operation: Operation, value: unknown, ids: Map<string, string>, member = ''): void {
  if (Array.isArray(value)) {
    for (const item of value) keep(operation, item, ids, member);
  } else if (typeof value === 'object' && value !== null) {
    for (const [name, item] of Object.entries(value)) keep(operation, item, ids, name);
  } else if (typeof value === 'string' && value !== '') {
    const kind = MADE_KINDS[`${operation.name} ${member}`] ?? (isTypeId(value) ? value.split('_')[0]! : member);
    if (!ids.has(kind) && (isTypeId(value) || NAMED_KINDS.has(kind))) ids.set(kind, value);
  }
}

/** Written by background work of the organization's own things, by whoever asks, or as an offer to the organization. */
const BACKGROUND = [
  'credential_uses',
  'deliveries',
  'delivery_attempts',
  'oauth_client_organizations',
  'audit_tiles',
  'audit_checkpoints',
  'trust_outcomes',
  'agent_trust',
];

async function footprintOf({ database: { pool } }: Journey, orgId: string): Promise<unknown> {
  const { rows: tables } = await pool.query<{ name: string }>(
    `SELECT table_name AS name FROM information_schema.columns
      WHERE table_schema = 'public' AND column_name IN ('org_id', 'mode') AND table_name <> ALL ($1)
      GROUP BY table_name HAVING count(*) = 2 ORDER BY 1`,
    [BACKGROUND],
  );
  const counts: Record<string, number> = {};
  for (const { name } of tables) {
    const { rows } = await pool.query<{ n: number }>(
      `SELECT count(*)::int AS n FROM ${name} WHERE org_id = $1 AND mode = 'test'`,
      [orgId],
    );
    counts[name] = rows[0]!.n;
  }
  const head = await pool.query(`SELECT seq FROM audit_heads WHERE org_id = $1 AND mode = 'test'`, [orgId]);
  return { counts, head: head.rows };
}
