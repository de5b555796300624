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
  no_op: 'unavailable',
  slow: 'slow',
};

processorContract('the simulator adapter', async () => {
  const simulator = await startTestSimulator();
  return {
    processor: createProcessors()['simulator']!,
    account: { processor: 'alpha', mid: 'alpha-eu', baseUrl: simulator.url, apiKey: 'sim_key' },
    can: {
      modifications: 'in the answer',
      question: 'by reference',
      tellsExpiry: true,
      keyInUse: 'waits',
      finalCapture: 'lets go',
      beyondCeiling: { class: 'invalid_data', code: 'amount_exceeds_capturable' },
    },
    accountOfMore: { processor: 'alpha', mid: 'alpha-eu', baseUrl: simulator.url, apiKey: 'sim_key' },
    approved: 'tok_approve',
    declined: [
      { token: 'tok_decline_insufficient_funds', class: 'insufficient_funds' },
      { token: 'tok_decline_lost', class: 'hard_decline' },
      { token: 'tok_decline_generic', class: 'soft_decline' },
      { token: 'tok_requires_authentication', class: 'authentication_required' },
    ],
    effects: simulator.effects,
    strike: (reference, operation, how) => simulator.control('script', { reference, operation, fault: FAULTS[how] }),
    stop: () => simulator.stop(),
  };
});
