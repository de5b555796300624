import { toTypeId } from '../domain/ids.ts';
import { MERCHANT_PAID, type HistoryFact, type PolicyFacts } from '../domain/policy.ts';
import type { Type } from './types.ts';

/** What a name stands for. `read` answers undefined where the fact is missing: then a rule that needs it fails. */
export interface Variable {
  type: Type;
  /** May be missing, so that `has(…)` may ask. */
  optional?: true;
  /** Most entries of a list. */
  most?: number;
  meaning: string;
  /** Asks the past. */
  fact?: HistoryFact;
  read(facts: PolicyFacts): string | bigint | boolean | string[] | undefined;
}

/** Every name that an expression may use; docs/policies.md lists the same. */
export const VARIABLES: Readonly<Record<string, Variable>> = {
  'intent.action': text('what is to be done: `payment.authorize`, `payment.refund` …', ({ intent }) => intent.action),
  'intent.amount_minor': whole('the amount, minor units', ({ intent }) => intent.amountMinor),
  'intent.currency': text('ISO 4217', ({ intent }) => intent.currency),
  'intent.merchant_ref': text("the merchant, by the caller's reference", ({ intent }) => intent.merchantRef),
  'intent.channel': text('where the agent acts', ({ intent }) => intent.channel),
  'intent.country': maybe('ISO 3166-1 alpha-2', ({ intent }) => intent.country),
  'intent.description': maybe('free text of the caller', ({ intent }) => intent.description),
  'context.session_id': maybe("the caller's session", ({ said }) => said?.session_id),
  'context.device_trust': maybe('what the caller says of the device', ({ said }) => said?.device_trust),
  'context.device_id': maybe('the device', ({ said }) => said?.device_id),
  'context.country': maybe('where the caller is', ({ said }) => said?.country),
  'context.risk_signals': {
    type: { list: 'string' },
    most: 50,
    meaning: "the caller's risk signals; empty when there are none",
    read: ({ said }) => said?.risk_signals ?? [],
  },
  'agent.id': text('`agt_…`', ({ agent }) => agent && toTypeId('agt', agent.id)),
  'agent.age_seconds': whole('since the agent was registered', ({ agent }) => agent && Math.floor(agent.ageMs / 1_000)),
  'agent.trust': whole("the agent's trust score, 0 to 100; who is new has 50", ({ agent }) =>
    agent?.trust === undefined ? undefined : Math.floor(agent.trust),
  ),
  'agent.behaviour': whole('what its alerts of the last day come to, 0 to 100; each fades', ({ agent }) =>
    agent?.behaviour === undefined ? undefined : Math.floor(agent.behaviour),
  ),
  'agent.certificate': text('`active`, `expired`, `revoked`, or `none`', ({ agent }) => agent?.certificate),
  'principal.id': text('`prn_…`, or `org_…` for the organization itself', ({ principal }) =>
    principal ? toTypeId(principal.kind === 'organization' ? 'org' : 'prn', principal.id) : undefined,
  ),
  'principal.kind': text('`principal` or `organization`', ({ principal }) => principal?.kind),
  'merchant.seen': {
    type: 'bool',
    meaning: 'this agent was approved at this merchant before',
    read: ({ merchantSeen }) => merchantSeen,
  },
  'merchant.paid': {
    type: 'bool',
    meaning: 'this principal has paid this merchant before, by whatever agent',
    fact: MERCHANT_PAID,
    read: ({ history }) => {
      const paid = history?.[MERCHANT_PAID.key];
      return typeof paid === 'boolean' ? paid : undefined;
    },
  },
};

function text(meaning: string, read: (facts: PolicyFacts) => string | undefined): Variable {
  return { type: 'string', meaning, read };
}

function maybe(meaning: string, read: (facts: PolicyFacts) => string | undefined): Variable {
  return { type: 'string', optional: true, meaning, read };
}

function whole(meaning: string, read: (facts: PolicyFacts) => number | undefined): Variable {
  return {
    type: 'int',
    meaning,
    read: (facts) => {
      const value = read(facts);
      return value === undefined ? undefined : BigInt(value);
    },
  };
}
