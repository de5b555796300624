import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decide } from '../../src/domain/decide.ts';
import type { DecisionInput } from '../../src/domain/decide.ts';
import type { Explanation } from '../../src/domain/policy.ts';
import type { Reason } from '../../src/domain/types.ts';
import { riskOf } from './arbitraries.ts';
import { combined, NOTHING_FOUND, type ScreeningMatch } from '../../src/domain/screening.ts';

const clean: DecisionInput = {
  who: [],
  scopeFailures: [],
  stepUp: false,
  explanations: [{ rule: 'max_amount', outcome: 'pass', message: 'The rule holds' }],
  risk: riskOf('normal'),
  challengePossible: true,
};
const unknownAgent: Reason = { code: 'agent_unknown', category: 'identity', message: 'No such agent' };
const badMandate: Reason = { code: 'mandate_expired', category: 'mandate', message: 'Expired' };
const overScope = { member: 'max_amount', message: 'Too much' } as const;
const fail = (effect?: Explanation['effect']): Explanation => ({ rule: 'geo', outcome: 'fail', effect, message: 'No' });
const broken = (effect?: Explanation['effect']): Explanation => ({ ...fail(effect), outcome: 'error' });

const outcome = (change: Partial<DecisionInput>): [string, string[]] => {
  const { decision, reasons } = decide({ ...clean, ...change });
  return [decision, reasons.map((reason) => reason.code)];
};

describe('decide', () => {
  it('approves when nothing is wrong, and gives no reasons', () => {
    expect(decide(clean)).toEqual({
      decision: 'approved',
      reasons: [],
      confidences: { agent_identity: 1, policy_adherence: 1, behavioral_risk: 0.9, recipient_risk: 1 },
    });
  });

  it.each<[string, string[], Partial<DecisionInput>]>([
    ['deny', ['invalid_scope', 'agent_unknown'], { who: [unknownAgent] }],
    ['deny', ['invalid_scope'], { who: [{ ...unknownAgent, code: 'invalid_scope' }] }],
    ['deny', ['invalid_scope'], { scopeFailures: [overScope] }],
    ['deny', ['invalid_mandate', 'mandate_expired'], { mandate: [badMandate] }],
    ['deny', ['policy_denied'], { explanations: [fail('deny')] }],
    ['deny', ['policy_denied'], { explanations: [fail()] }],
    ['deny', ['policy_denied'], { explanations: [broken()] }],
    ['deny', ['policy_denied'], { explanations: [broken('deny')] }],
    ['deny', ['policy_denied'], { explanations: [broken('challenge')] }],
    ['review', ['review_required'], { explanations: [broken('review')] }],
    ['review', ['review_required'], { explanations: [broken('review')], proof: 'challenge' }],
    ['deny', ['risk_elevated'], { risk: riskOf('high') }],
    ['challenge', ['challenge_required'], { stepUp: true }],
    ['challenge', ['challenge_required'], { explanations: [fail('challenge')] }],
    ['challenge', ['risk_elevated'], { risk: riskOf('elevated') }],
    ['review', ['challenge_required'], { stepUp: true, challengePossible: false }],
    ['review', ['risk_elevated'], { risk: riskOf('elevated'), challengePossible: false }],
    ['review', ['review_required'], { explanations: [fail('review')] }],
    ['review', ['challenge_required', 'review_required'], { stepUp: true, explanations: [fail('review')] }],
  ])('%s because of %o', (decision, codes, change) => {
    expect(outcome(change)).toEqual([decision, codes]);
  });

  it('answers in the order who, what, may, risk', () => {
    const everything: Partial<DecisionInput> = {
      risk: riskOf('high'),
      explanations: [fail('deny')],
      mandate: [badMandate],
      scopeFailures: [overScope],
      who: [unknownAgent],
    };
    expect(outcome(everything)[1]).toEqual([
      'invalid_scope',
      'agent_unknown',
      'invalid_scope',
      'invalid_mandate',
      'mandate_expired',
      'policy_denied',
      'risk_elevated',
    ]);
  });

  it('lets a proof remove needs, an operator’s all of them, and never a failure', () => {
    const needs = { stepUp: true, risk: riskOf('elevated') };
    expect(outcome({ ...needs, proof: 'challenge' })).toEqual(['approved', []]);
    expect(outcome({ ...needs, challengePossible: false, proof: 'challenge' })).toEqual(['approved', []]);
    expect(outcome({ ...needs, explanations: [fail('review')], proof: 'review' })).toEqual(['approved', []]);
    expect(outcome({ ...needs, explanations: [fail('review')], proof: 'challenge' })[0]).toBe('review');
    for (const proof of ['challenge', 'review'] as const) {
      expect(outcome({ scopeFailures: [overScope], proof })[0]).toBe('deny');
      expect(outcome({ explanations: [fail('deny')], proof })[0]).toBe('deny');
      expect(outcome({ risk: riskOf('high'), proof })[0]).toBe('deny');
    }
  });

  it('is confident in what was found', () => {
    const found = { who: [unknownAgent], mandate: [], explanations: [fail('deny'), ...clean.explanations] };
    expect(decide({ ...clean, ...found }).confidences).toMatchObject({
      agent_identity: 0,
      mandate_validity: 1,
      policy_adherence: 0.5,
    });
    expect(decide({ ...clean, scopeFailures: [overScope] }).confidences.policy_adherence).toBe(0);
  });
});

const entry: ScreeningMatch = { list: 'l', by: 'name', entry: 'e' };
const LISTED = { ...NOTHING_FOUND, listed: [entry] };
const SUSPECTED = { ...NOTHING_FOUND, suspected: [entry] };
const UNSCREENED = { ...NOTHING_FOUND, unavailable: 'away' };
const STRICTNESS = ['approved', 'challenge', 'review', 'deny'];
const someExplanation = fc.constantFrom(
  fail('deny'),
  fail('challenge'),
  fail('review'),
  broken('deny'),
  broken('review'),
  ...clean.explanations,
);
const someInput: fc.Arbitrary<DecisionInput> = fc.record({
  who: fc.constantFrom([], [], [], [unknownAgent]),
  scopeFailures: fc.constantFrom([], [], [], [overScope]),
  stepUp: fc.boolean(),
  mandate: fc.constantFrom(undefined, [], [], [badMandate]),
  explanations: fc.array(someExplanation, { maxLength: 2 }),
  risk: fc.constantFrom(riskOf('normal'), riskOf('elevated'), riskOf('high')),
  screening: fc.constantFrom(undefined, NOTHING_FOUND, NOTHING_FOUND, SUSPECTED, LISTED),
  challengePossible: fc.boolean(),
  proof: fc.constantFrom(undefined, 'challenge', 'review'),
});
const WORSENINGS: ((input: DecisionInput) => DecisionInput)[] = [
  (input) => ({ ...input, who: [...input.who, unknownAgent] }),
  (input) => ({ ...input, scopeFailures: [...input.scopeFailures, overScope] }),
  (input) => ({ ...input, mandate: [...(input.mandate ?? []), badMandate] }),
  (input) => ({ ...input, stepUp: true }),
  (input) => ({ ...input, explanations: [...input.explanations, fail('challenge')] }),
  (input) => ({ ...input, explanations: [...input.explanations, fail('review')] }),
  (input) => ({ ...input, explanations: [...input.explanations, fail('deny')] }),
  (input) => ({ ...input, explanations: [...input.explanations, broken('deny')] }),
  (input) => ({ ...input, explanations: [...input.explanations, broken('review')] }),
  (input) => ({ ...input, risk: input.risk.level === 'normal' ? riskOf('elevated') : riskOf('high') }),
  (input) => ({ ...input, screening: combined([input.screening ?? NOTHING_FOUND, LISTED]) }),
  (input) => ({ ...input, screening: combined([input.screening ?? NOTHING_FOUND, SUSPECTED]) }),
  (input) => ({ ...input, screening: combined([input.screening ?? NOTHING_FOUND, UNSCREENED]) }),
  (input) => ({ ...input, challengePossible: false }),
  (input) => ({ ...input, proof: input.proof === 'review' ? 'challenge' : undefined }),
];

describe('every decision', () => {
  it('is monotone: nothing that gets worse makes it looser', () => {
    fc.assert(
      fc.property(someInput, fc.constantFrom(...WORSENINGS), (input, worsen) => {
        const [before, after] = [decide(input), decide(worsen(input))];
        expect(STRICTNESS.indexOf(after.decision)).toBeGreaterThanOrEqual(STRICTNESS.indexOf(before.decision));
      }),
      { numRuns: 3000 },
    );
  });

  it('has a reason unless it approves, and no failure behind an approval', () => {
    fc.assert(
      fc.property(someInput, (input) => {
        const { decision, reasons } = decide(input);
        expect(reasons.length === 0).toBe(decision === 'approved');
        if (decision !== 'approved') return;
        expect([input.who, input.scopeFailures, input.mandate ?? [], input.screening?.listed ?? []].flat()).toEqual([]);
        expect(input.proof === 'review' ? [] : (input.screening?.suspected ?? [])).toEqual([]);
        const reviewed = (e: Explanation) => e.effect === 'review' && input.proof === 'review';
        expect(input.explanations.filter((e) => e.outcome === 'error' && !reviewed(e))).toEqual([]);
        expect(input.risk.level).not.toBe('high');
      }),
      { numRuns: 1000 },
    );
  });
});
