import { describe, expect, it } from 'vitest';
import { Rules } from '../../src/api/policies/rules-body.ts';
import { HISTORY_KINDS } from '../../src/domain/policy.ts';
import { POLICY_CHECKS } from '../../src/domain/policy/checks.ts';
import { draftProblems } from '../../src/policy-language/draft.ts';
import { explainExpressions } from '../../src/policy-language/expressions.ts';
import { QUESTIONS } from '../../src/policy-language/history-functions.ts';
import { typeName } from '../../src/policy-language/types.ts';
import { VARIABLES } from '../../src/policy-language/vocabulary.ts';
import { codeOf, pageOf, rowsOf, sectionOf } from './tables.ts';

const page = pageOf('docs/policies.md');
const tableOf = (heading: string) => rowsOf(sectionOf(page, heading));

/** What the page calls the example. */
const example = {
  intent: {
    action: 'payment.authorize',
    amountMinor: 12_000,
    currency: 'EUR',
    merchantRef: 'mrc_hotel',
    channel: 'chatpay',
  },
  said: { risk_signals: ['velocity_ok'] },
  nowMs: 0,
  merchantSeen: false,
  history: { 'count approvals merchant 24h': 0, 'sum payments agent 1d': 100_000, 'merchant.paid': false },
};

const ruleOf = (when: string) => ({ name: 'example', when, effect: 'deny' as const, message: 'x' });

describe('docs/policies.md', () => {
  it('lists the built-in rules', () => {
    expect(tableOf('## Built-in rules').map(([rule]) => codeOf(rule!))).toEqual(POLICY_CHECKS.map(({ code }) => code));
  });

  it('lists every name of the language with its type', () => {
    expect(tableOf('### Names').map(([name, type]) => [codeOf(name!), type])).toEqual(
      Object.entries(VARIABLES).map(([name, { type, optional }]) => [
        name,
        typeName(type) + (optional ? ', optional' : ''),
      ]),
    );
  });

  it('lists every question that can be asked, and everything that can be asked for', () => {
    const rows = tableOf('### The past');
    const usages = Object.values(QUESTIONS).map(({ usage }) => usage);
    expect(rows.map(([cell]) => codeOf(cell!))).toEqual([...usages, ...HISTORY_KINDS]);
    for (const usage of usages) expect(draftProblems({ cel: [ruleOf(`${usage} > 1`)] })).toEqual([]);
  });

  it('shows rules that can be drafted', () => {
    const blocks = [...page.matchAll(/```json\n([^]*?)```/g)].map(([, text]) => JSON.parse(text!) as object);
    const documents = blocks.filter((block) => !('outcome' in block));
    expect(documents).toHaveLength(2);
    for (const document of documents) expect(Rules.safeParse(document).error).toBeUndefined();
    // The control: the schema would say so.
    expect(Rules.safeParse({ cel: [ruleOf('intent.nothing')] }).success).toBe(false);
  });

  it('shows the explanation that the example gets', () => {
    const [rules, explanation] = [...sectionOf(page, '## Rules as expressions').matchAll(/```json\n([^]*?)```/g)].map(
      ([, text]) => JSON.parse(text!) as { cel: [ReturnType<typeof ruleOf>] },
    );
    expect(explainExpressions([rules!.cel[0]], example)[0]).toEqual(explanation);
  });

  it('says what each expression comes to', () => {
    const rows = tableOf('### Operators');
    expect(rows.length).toBeGreaterThan(5);
    for (const [expression, outcome, clause] of rows) {
      const when = codeOf(expression!);
      expect(draftProblems({ cel: [ruleOf(when)] })).toEqual([]);
      expect([when, explainExpressions([ruleOf(when)], example)[0]]).toMatchObject([
        when,
        { outcome, clause: codeOf(clause!) },
      ]);
    }
  });
});
