import { apiAccess } from '../api-access.ts';
import { logTo } from '../output.ts';

export interface SimulateOptions {
  rules?: object;
  amount: string;
  currency: string;
  merchant: string;
  channel: string;
  country?: string;
  agent?: string;
  principal?: string;
  json?: boolean;
}

interface Simulation {
  decision: string;
  policy_ref?: string;
  explanation: { rule: string; outcome: string; effect?: string; message: string; clause?: string }[];
  risk: { score: number; level: string; signals: { type: string; points: number; detail: string }[] };
}

/** @param policy pol_…; the active one, or the rules of the options, when absent */
export async function simulate(policy: string | undefined, options: SimulateOptions): Promise<void> {
  const { amount, currency, merchant: merchant_ref, channel, country, agent, principal, rules } = options;
  const { body } = await apiAccess().post<Simulation>('/v1/execution/policies/simulate', {
    intent: { amount, currency, merchant_ref, channel, country },
    agent_id: agent,
    principal_id: principal,
    policy_ref: policy,
    rules,
  });
  if (options.json) {
    process.stdout.write(`${JSON.stringify(body)}\n`);
    return;
  }
  const log = logTo(false);
  log(
    `${body.decision}${body.policy_ref ? ` by ${body.policy_ref}` : ''}, risk ${body.risk.level} (${body.risk.score})`,
  );
  for (const { rule, outcome, effect, message, clause } of body.explanation) {
    const mark = outcome === 'pass' ? '✓' : '✗';
    log(`${mark} ${rule}: ${message}${effect ? ` → ${effect}` : ''}${clause ? ` [${clause}]` : ''}`);
  }
  // Rules that all hold and a decision that is none of theirs: the risk made it.
  for (const { type, points, detail } of body.risk.signals) log(`risk ${points} ${type}: ${detail}`);
}
