import { describe, expect, it } from 'vitest';
import { refuseResolution, type ResolutionFacts } from '../../src/domain/payment/resolution.ts';

const FACTS: ResolutionFacts = {
  type: 'authorize',
  status: 'needs_review',
  operationMinor: 100_00,
  processorReference: null,
  told: { outcome: 'succeeded', processorReference: 'ch_1' },
  samePerson: false,
  evidence: [],
  provenAbsent: false,
  awaited: false,
};

const refusal = (more: Partial<ResolutionFacts>) => {
  const refused = refuseResolution({ ...FACTS, ...more });
  return refused && [refused.code, refused.member];
};

describe('a person’s word on an operation', () => {
  it('is taken when nothing speaks against it (control)', () => {
    expect(refusal({})).toBeUndefined();
    expect(refusal({ told: { outcome: 'failed' } })).toBeUndefined();
    expect(refusal({ evidence: ['succeeded'] })).toBeUndefined();
    expect(refusal({ processorReference: 'ch_1', told: { outcome: 'succeeded' } })).toBeUndefined();
    expect(refusal({ type: 'capture', told: { outcome: 'succeeded', amountMinor: 100_00 } })).toBeUndefined();
    expect(refusal({ told: { outcome: 'failed' }, provenAbsent: true })).toBeUndefined();
  });

  it.each<[string, Partial<ResolutionFacts>, string, string?]>([
    ['of an outcome that is known', { status: 'succeeded' }, 'invalid_payment_state'],
    ['while the processor is still asked', { status: 'unknown' }, 'invalid_payment_state'],
    ['of whoever asked for it', { samePerson: true }, 'approver_excluded'],
    [
      'that it failed, against a line',
      { told: { outcome: 'failed' }, evidence: ['succeeded'] },
      'evidence_contradicts',
    ],
    ['that it was done, against a notification', { evidence: ['succeeded', 'failed'] }, 'evidence_contradicts'],
    ['that it was done, where it was never seen', { provenAbsent: true }, 'evidence_contradicts'],
    ['before the last one was carried out', { awaited: true }, 'resource_conflict'],
    ['with an amount that failed', { told: { outcome: 'failed', amountMinor: 1 } }, 'invalid_request', 'amount'],
    [
      'with the amount of a void',
      { type: 'void', told: { outcome: 'succeeded', amountMinor: 1 } },
      'invalid_request',
      'amount',
    ],
    [
      'with more than was asked',
      { type: 'capture', told: { outcome: 'succeeded', amountMinor: 100_01 } },
      'invalid_request',
      'amount',
    ],
    ['of a hold that nobody could use', { told: { outcome: 'succeeded' } }, 'invalid_request', 'processor_reference'],
    ['with another reference', { processorReference: 'ch_2' }, 'invalid_request', 'processor_reference'],
  ])('is refused: %s', (_, more, code, member) => {
    expect(refusal(more)).toEqual([code, member]);
  });
});
