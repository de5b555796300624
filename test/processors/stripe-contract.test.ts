import { createProcessors } from '../../src/processors/registry.ts';
import type { Fault } from '../../src/processors/simulator/server/faults.ts';
import type { Strike } from './contract-subject.ts';
import { processorContract } from './contract-suite.ts';
import { startTestSimulator } from './simulator-subject.ts';

const FAULTS: Record<Strike, Fault> = {
  lost_answer: 'lost_answer',
  lost_request: 'lost_request',
  error_after_commit: '500_after_commit',
  garbled_answer: 'garbled_answer',
  // A 503 of Stripe promises nothing.
  no_op: 'rate_limited',
  slow: 'slow',
};

processorContract('the Stripe adapter', async () => {
  const simulator = await startTestSimulator();
  const account = (capabilities: object) => ({
    processor: 'alpha',
    mid: 'default',
    baseUrl: `${simulator.url}/alpha`,
    apiKey: 'sk_test_alpha',
    capabilities: { ...capabilities },
  });
  return {
    processor: createProcessors()['stripe']!,
    account: account({ multicapture: true }),
    accountOfMore: account({ multicapture: true, incremental: true, overcapture: true }),
    can: {
      modifications: 'in the answer',
      question: 'by reference',
      tellsExpiry: true,
      keyInUse: 'refused',
      finalCapture: 'lets go',
      notAgreed: {
        increment: { class: 'invalid_data', code: 'payment_intent_unexpected_state' },
        beyond: { class: 'invalid_data', code: 'amount_too_large' },
      },
      beyondCeiling: { class: 'invalid_data', code: 'amount_too_large' },
    },
    approved: 'pm_card_visa',
    declined: [
      { token: 'pm_card_visa_chargeDeclinedInsufficientFunds', class: 'insufficient_funds' },
      { token: 'pm_card_visa_chargeDeclinedLostCard', class: 'hard_decline' },
      { token: 'pm_card_visa_chargeDeclined', class: 'soft_decline' },
      { token: 'pm_card_radarBlock', class: 'fraud_block' },
      { token: 'pm_card_chargeDeclinedIncorrectCvc', class: 'invalid_data' },
      { token: 'pm_card_authenticationRequired', class: 'authentication_required' },
    ],
    effects: simulator.effects,
    strike: (reference, operation, how) => simulator.control('script', { reference, operation, fault: FAULTS[how] }),
    stop: () => simulator.stop(),
  };
});
