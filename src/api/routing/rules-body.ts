import { z } from 'zod';
import { toTypeId } from '../../domain/ids.ts';
import { toMajor } from '../../domain/money.ts';
import type { RoutingRule } from '../../domain/routing.ts';
import { minorAt } from '../money.ts';
import { STRATEGIES } from '../payments/schemas.ts';
import { countryCode, currencyCode, idOf, majorAmount, merchantCategory, reference } from '../schemas.ts';

const list = <T extends z.ZodType>(item: T) => z.array(item).min(1).max(1_000).optional();
const amount = z.strictObject({ amount: majorAmount, currency: currencyCode });
const name = z.string().trim().min(1).max(100);

const When = z
  .strictObject({
    currencies: list(currencyCode),
    min_amount: amount.optional().meta({ description: 'Matches amounts of its currency only' }),
    max_amount: amount.optional().meta({ description: 'Matches amounts of its currency only' }),
    merchants: list(reference),
    merchant_categories: list(merchantCategory),
    methods: list(z.enum(['token'])),
    countries: list(countryCode),
    channels: list(z.string().min(1).max(64)),
    agents: list(idOf('agt')),
    actions: list(z.string().min(1).max(100)).meta({ description: 'Exact, or a beginning with `*` behind it' }),
  })
  .meta({ id: 'RoutingConditions', description: 'All that are present must hold' });

const Target = z.strictObject({
  processor: z.string().min(1).max(64),
  mid: z.string().min(1).max(500).optional().meta({ description: 'Absent: every account at the processor' }),
  weight: z.int().min(1).max(10_000).optional().meta({ description: 'Share of a split; 1 when absent' }),
});

/** One rule; the first whose conditions hold is the one that counts. */
const Rule = z
  .strictObject({
    name,
    when: When.default({}),
    targets: z.array(Target).min(1).max(200),
    strategy: z.enum(STRATEGIES).default('priority'),
    fallback: z.enum(['none', 'any']).default('none').meta({
      description: '`any`: accounts that are no target are asked last, by priority',
    }),
    explore_percent: z.int().min(5).max(20).optional().meta({ description: 'For success_rate and cost; default 10' }),
  })
  .superRefine(({ strategy, targets, explore_percent }, ctx) => {
    const learns = strategy === 'success_rate' || strategy === 'cost';
    if (explore_percent !== undefined && !learns) {
      ctx.addIssue({ code: 'custom', path: ['explore_percent'], message: 'is for success_rate and cost' });
    }
    targets.forEach((target, i) => {
      if (target.weight !== undefined && strategy !== 'split') {
        ctx.addIssue({ code: 'custom', path: ['targets', i, 'weight'], message: 'is for a split' });
      }
      const first = targets.findIndex(({ processor, mid }) => processor === target.processor && mid === target.mid);
      if (first < i) ctx.addIssue({ code: 'custom', path: ['targets', i], message: `is target ${first} already` });
    });
  })
  .meta({ id: 'RoutingRule' });

export const Rules = z
  .array(Rule)
  .max(200)
  .superRefine((rules, ctx) => {
    rules.forEach((rule, i) => {
      const first = rules.findIndex((other) => other.name === rule.name);
      if (first < i) {
        ctx.addIssue({ code: 'custom', path: [i, 'name'], message: `is the name of rule ${first} already` });
      }
    });
  })
  .meta({ description: 'Asked in this order. None: every account by priority' });

const RuleOutput = z
  .object({
    name,
    when: z.looseObject({}),
    targets: z.array(z.object({ processor: z.string(), mid: z.string().optional(), weight: z.int().optional() })),
    strategy: z.enum(STRATEGIES),
    fallback: z.enum(['none', 'any']),
    explore_percent: z.int().optional(),
    leader: z.string().optional().meta({ description: 'The account that leads, where a rule goes by success' }),
  })
  .meta({ id: 'RoutingRuleInForce' });
export const RulesOutput = z.array(RuleOutput);

/** Rules as they are kept: minor units, ids bare. */
export function rulesOf(rules: z.output<typeof Rules>): RoutingRule[] {
  return rules.map(({ explore_percent: explorePercent, when, ...rule }, i) => {
    const { min_amount: min, max_amount: max, merchant_categories: merchantCategories, ...same } = when;
    const path = (member: string) => `rules.${i}.when.${member}.amount`;
    const minor = (member: string, said: z.output<typeof amount>) => ({
      amountMinor: minorAt(path(member), said.amount, said.currency),
      currency: said.currency,
    });
    return {
      ...rule,
      explorePercent,
      when: {
        ...same,
        merchantCategories,
        minAmount: min && minor('min_amount', min),
        maxAmount: max && minor('max_amount', max),
      },
    };
  });
}

export function printRules(rules: RoutingRule[], leaders: Record<string, string> | null) {
  return rules.map(({ explorePercent, when, ...rule }) => {
    const { minAmount, maxAmount, merchantCategories, agents, ...same } = when;
    const major = (said: { amountMinor: number; currency: string } | undefined) =>
      said && { amount: toMajor(said.amountMinor, said.currency), currency: said.currency };
    const leader = leaders?.[rule.name];
    return {
      ...rule,
      explore_percent: explorePercent,
      when: {
        ...same,
        merchant_categories: merchantCategories,
        agents: agents?.map((id) => toTypeId('agt', id)),
        min_amount: major(minAmount),
        max_amount: major(maxAmount),
      },
      leader: leader && toTypeId('mid', leader),
    };
  });
}
