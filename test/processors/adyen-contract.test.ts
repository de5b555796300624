import { createProcessors } from '../../src/processors/registry.ts';
import type { Fault } from '../../src/processors/simulator/server/faults.ts';
import { startTestAdyen } from './adyen-subject.ts';
import type { Strike } from './contract-subject.ts';
import { processorContract } from './contract-suite.ts';

const FAULTS: Record<Strike, Fault> = {
  lost_answer: 'lost_answer',
  lost_request: 'lost_request',
  error_after_commit: '500_after_commit',
  garbled_answer: 'garbled_answer',
  no_op: 'rate_limited',
  slow: 'slow',
};

processorContract('the Adyen adapter', async () => {
  const { simulator, multi, more, single, told, stop } = await startTestAdyen();
  return {
    processor: createProcessors()['adyen']!,
    account: multi,
    accountOfFinalCaptures: single,
    accountOfMore: more,
    can: {
      modifications: 'by notification',
      question: 'none',
      tellsExpiry: false,
      keyInUse: 'waits',
      finalCapture: 'keeps the rest',
      notAgreed: {
        increment: { class: 'configuration', code: 'Not supported' },
        beyond: { class: 'invalid_data', code: 'Insufficient balance on payment' },
      },
      beyondCeiling: { class: 'invalid_data', code: 'Insufficient balance on payment' },
    },
    told,
    approved: 'shopper_1/tok_approve',
    declined: [
      { token: 'shopper_1/tok_decline_insufficient_funds', class: 'insufficient_funds' },
      { token: 'shopper_1/tok_decline_lost', class: 'hard_decline' },
      { token: 'shopper_1/tok_decline_generic', class: 'soft_decline' },
      { token: 'shopper_1/tok_requires_authentication', class: 'authentication_required' },
    ],
    effects: simulator.effects,
    strike: (reference, operation, how) => simulator.control('script', { reference, operation, fault: FAULTS[how] }),
    stop,
  };
});
