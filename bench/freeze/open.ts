import { randomUUID } from 'node:crypto';
import { toTypeId } from '../../src/domain/ids.ts';
import { post } from '../http-client.ts';
import { INTENT } from '../prokura/lifecycle.ts';
import { type FreezeStage, PROCESSORS } from './stage.ts';

const IN_FLIGHT = 24;
const CONTEXT = { session_id: 'sess_bench', device_trust: 'verified', risk_signals: ['velocity_ok', 'geo_ok'] };

/** Lifecycles that wait: what each kind of them is known by. */
export interface Open {
  challenged: string[];
  /** Execution tokens that were not spent. */
  tokens: string[];
  holds: { paymentId: string; processor: string }[];
}

export function caller({ url, organization }: Pick<FreezeStage, 'url' | 'organization'>) {
  return <Answer>(path: string, body: object): Promise<Answer> =>
    post<Answer>(new URL(path, url), body, {
      authorization: `Bearer ${organization.apiKey}`,
      'idempotency-key': randomUUID(),
    });
}

/** Runs `work` for each of `count` numbers, some at once. */
export async function each(count: number, work: (index: number) => Promise<void>): Promise<void> {
  const indices = Array.from({ length: count }, (_, index) => index).values();
  const lane = async () => {
    for (const index of indices) await work(index);
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, lane));
}

interface Decided {
  decision: string;
  execution_ref: string;
  execution_token: string;
}

/** `count` lifecycles: four tenths challenged, three approved, three authorized, over all processors alike. */
export async function openLifecycles(stage: FreezeStage, count: number, from: number): Promise<Open> {
  const call = caller(stage);
  const { principalId, agentIds } = stage.organization;
  const open: Open = { challenged: [], tokens: [], holds: [] };
  const decide = async (body: object, wanted: string) => {
    const decided = await call<Decided>('/v1/execution/authorize', {
      principal_id: principalId,
      intent: INTENT,
      context: CONTEXT,
      ...body,
    });
    if (decided.decision !== wanted) throw new Error(`${decided.decision} instead of ${wanted}`);
    return decided;
  };
  await each(count, async (index) => {
    const agent_id = agentIds[(from + index) % agentIds.length]!;
    const kind = index % 10;
    if (kind < 4) {
      const { delegationId } = stage.cautious[(from + index) % agentIds.length]!;
      const asked = { agent_id, delegation_id: toTypeId('del', delegationId) };
      open.challenged.push((await decide(asked, 'challenge')).execution_ref);
      return;
    }
    const plain = stage.plain[(from + index) % agentIds.length]!;
    const { execution_token } = await decide({ agent_id, delegation_id: plain }, 'approved');
    if (kind < 7) {
      open.tokens.push(execution_token);
      return;
    }
    const processor = PROCESSORS[(index + Math.floor(index / 10)) % PROCESSORS.length]!;
    const { payment_id } = await call<{ payment_id: string }>('/v1/payments/authorize', {
      execution_token,
      payment_method: { type: 'token', token: 'tok_approve', processor },
    });
    open.holds.push({ paymentId: payment_id, processor });
  });
  return open;
}

/** `count` lifecycles of one agent. Past some fifty an hour each is challenged: both kinds of waiting are met. */
export async function openUnder(stage: FreezeStage, agent_id: string, delegation_id: string, count: number) {
  const call = caller(stage);
  const decisions: Record<string, number> = {};
  await each(count, async () => {
    const { decision } = await call<Decided>('/v1/execution/authorize', {
      principal_id: stage.organization.principalId,
      agent_id,
      delegation_id,
      intent: INTENT,
      context: CONTEXT,
    });
    decisions[decision] = (decisions[decision] ?? 0) + 1;
  });
  return decisions;
}
