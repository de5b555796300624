import { randomUUID } from 'node:crypto';
import { Secret, TOTP } from 'otpauth';
import type { CommittedAnswer } from '../../src/domain/messages.ts';
import { insertAgent } from '../../src/store/agents.ts';
import { upsertPrincipal } from '../../src/store/principals.ts';
import { enrolTotp } from '../../src/store/totp.ts';
import { newId } from '../../src/trust/new-id.ts';
import { TIMERS, type ActivityWorld } from '../activities/setup.ts';
import { addDelegation, approve, decisionOf } from '../store/world.ts';

/** One thing that is asked for, and whether anything says yes to it: the step, the answer, or the row. */
export interface Act {
  run(): Promise<unknown>;
  approved(): Promise<boolean>;
}

/** Whether it ought to be approved when nothing fails. */
export type Wish = 'approvable' | 'not approvable';

export const DECISIONS = ['authorize', 'challenge', 'review'] as const;
export const ACTS = [...DECISIONS, 'pay'] as const;
export type ActName = (typeof ACTS)[number];

const OPEN_MS = 600_000;

/** Prepares one act on things of its own, so that no act meets the traces of another. */
export async function prepare(w: ActivityWorld, name: ActName, wish: Wish): Promise<Act> {
  const party = await newParty(w);
  const said = listen(w);
  switch (name) {
    case 'authorize': {
      const { intent } = decisionOf(w);
      // The delegation covers 500.00.
      const asked = wish === 'approvable' ? intent : { ...intent, amountMinor: 500_01 };
      const executionId = newId();
      const { tenant } = w;
      const context = { device_trust: 'verified', risk_signals: ['velocity_ok', 'geo_ok'] };
      const input = {
        tenant,
        executionId,
        request: w.request(),
        ...party,
        intent: asked,
        context,
        timers: TIMERS,
      };
      const run = async () => w.run('evaluatePolicy', 1, input, await w.run('assessRisk', 1, input));
      return deciding(w, executionId, said, run);
    }
    case 'challenge': {
      const executionId = await waiting(w, party, 'challenged');
      const response = { code: wish === 'approvable' ? party.code() : '000000' };
      const request = w.request();
      const sealedResponse = w.deps.sealer.seal(JSON.stringify(response));
      const run = () => w.run('answerChallenge', 1, w.ref(executionId), { request, method: 'totp', sealedResponse });
      return deciding(w, executionId, said, run);
    }
    case 'review': {
      const executionId = await waiting(w, party, 'in_review');
      const request = w.request();
      if (wish === 'not approvable')
        await w.pool.query(`UPDATE delegations SET status = 'revoked' WHERE id = $1`, [party.delegationId]);
      const verdict = { request, verdict: 'approve', note: 'fine' } as const;
      return deciding(w, executionId, said, () => w.run('answerReview', 1, w.ref(executionId), verdict));
    }
    case 'pay': {
      const tokenExpiresAt = new Date(Date.now() + (wish === 'approvable' ? OPEN_MS : -1_000));
      const executionId = await approve(w, { ...party, tokenExpiresAt });
      const pay = w.payRequest();
      return {
        run: () => w.run('authorizePayment', 1, w.ref(executionId), pay, 1),
        async approved() {
          const { rows } = await w.pool.query('SELECT 1 FROM payments WHERE id = $1 AND authorized > 0', [executionId]);
          return rows.length > 0 || said.some(({ status }) => status === 201);
        },
      };
    }
  }
}

/** A principal with an authenticator, and a delegation of its own. */
async function newParty(w: ActivityWorld) {
  const principalId = newId();
  await upsertPrincipal(w.pool, w.tenant, principalId, { externalRef: randomUUID(), type: 'person', name: 'Ada' });
  const enrolled = await enrolTotp(w.pool, w.deps.sealer, { tenant: w.tenant, principalId });
  const scope = { actions: ['*'], maxAmount: { amountMinor: 500_00, currency: 'EUR' } };
  // Many proposals of one agent within the hour are a risk of their own.
  const agentId = newId();
  await insertAgent(w.pool, w.tenant, { id: agentId, principalId, name: 'Agent', status: 'active' });
  const delegationId = await addDelegation({ ...w, principalId, agentId }, null, scope);
  const totp = new TOTP({ secret: Secret.fromBase32(enrolled!.secret) });
  return { principalId, agentId, delegationId, code: () => totp.generate() };
}

async function waiting(
  w: ActivityWorld,
  { principalId, agentId, delegationId }: { principalId: string; agentId: string; delegationId: string },
  stage: 'challenged' | 'in_review',
): Promise<string> {
  const until = new Date(Date.now() + OPEN_MS);
  const kind =
    stage === 'challenged'
      ? ({ decision: 'challenge', challengeExpiresAt: until, challengeAttempts: 3 } as const)
      : ({ decision: 'review', reviewExpiresAt: until } as const);
  return approve(w, { principalId, agentId, delegationId, stage, tokenExpiresAt: null, ...kind });
}

/** Every answer that is announced from now on. */
function listen(w: ActivityWorld): CommittedAnswer[] {
  const heard: CommittedAnswer[] = [];
  const { replies } = w.deps;
  w.deps.replies = {
    ...replies,
    next: replies.next.bind(replies),
    announce: async (db, tenant, request, answer) => {
      heard.push(answer);
      await replies.announce(db, tenant, request, answer);
    },
  };
  return heard;
}

function deciding(
  w: ActivityWorld,
  executionId: string,
  said: CommittedAnswer[],
  run: () => Promise<{ stage: string }>,
): Act {
  let told: string | undefined;
  return {
    async run() {
      told = (await run()).stage;
    },
    async approved() {
      const { rows } = await w.pool.query(
        `SELECT 1 FROM executions WHERE id = $1 AND (stage = 'approved' OR decision = 'approved' OR token_expires_at IS NOT NULL)`,
        [executionId],
      );
      const answered = said.some(({ body }) => (body as { decision?: string }).decision === 'approved');
      return rows.length > 0 || answered || told === 'approved';
    },
  };
}
