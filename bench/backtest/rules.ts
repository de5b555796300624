import type { CelRule, PolicyRules } from '../../src/domain/policy.ts';

/** Five kinds of rules as people write them, in turn, each with numbers of its own. */
export function someRules(n: number): CelRule[] {
  const whens = [
    (i: number) => `intent.amount_minor > ${100_000 + i} && !merchant.paid`,
    (i: number) => `count("approvals", "merchant", "24h") == 0 && intent.amount_minor > ${200_000 + i}`,
    (i: number) => `sum("payments", "agent", "1d") + intent.amount_minor > ${5_000_000 + i}`,
    (i: number) => `intent.currency in ["USD", "JPY"] && intent.merchant_ref.startsWith("mrc_${i}")`,
    (i: number) => `count("capture_failures", "session", "1h") >= ${3 + i} || agent.age_seconds < ${60 + i}`,
  ];
  return Array.from({ length: n }, (_, i) => ({
    name: `rule_${i}`,
    when: whens[i % whens.length]!(i),
    effect: 'deny',
    message: 'An example',
  }));
}

/** The published example of a policy, with the paces of a busy organization. */
export const BUILT_IN: PolicyRules = {
  max_amount: 1_000_000,
  currencies: ['EUR', 'GBP'],
  geo: { allow: ['EU'] },
  velocity: { window: '1h', max: 2_000 },
};
