import { createSimulatorAdapter } from '../../src/processors/simulator/adapter.ts';
import { newId } from './contract-payment.ts';
import type { TestSimulator } from './simulator-subject.ts';

const adapter = createSimulatorAdapter();

/** One payment at one processor; each call is an operation of its own unless it says which. */
export function testPayment(simulator: TestSimulator, processor = 'alpha') {
  const reference = newId('pay');
  const account = { processor, mid: 'm1', baseUrl: simulator.url, apiKey: 'sim_key' };
  const call = (operationId = newId('op')) => ({ account, reference, operationId, timeoutMs: 3_000 });
  const state = { processorReference: '' };
  return {
    reference,
    async authorize(amountMinor = 10_000, timeoutMs = 3_000) {
      const outcome = await adapter.authorize({
        ...call(),
        timeoutMs,
        amountMinor,
        currency: 'EUR',
        token: 'tok_approve',
        capture: 'manual',
      });
      if (outcome.status === 'succeeded') state.processorReference = outcome.processorReference;
      return outcome;
    },
    capture: (amountMinor: number, final = false, operationId?: string) =>
      adapter.capture({ ...call(operationId), ...state, amountMinor, currency: 'EUR', final }),
    refund: (amountMinor: number, operationId?: string) =>
      adapter.refund({ ...call(operationId), ...state, amountMinor, currency: 'EUR' }),
    query: (operationId = newId('op')) => adapter.query(call(operationId)),
    processorReference: () => state.processorReference,
  };
}
