import { createAdyenAdapter } from './adyen/adapter.ts';
import type { ProcessorPort } from './port.ts';
import { createSimulatorAdapter } from './simulator/adapter.ts';
import { createStripeAdapter } from './stripe/adapter.ts';

/** Every adapter by the `kind` that a processor row names. One instance each: they hold the kept connections. */
export function createProcessors(): Record<string, ProcessorPort> {
  const adapters = [createSimulatorAdapter(), createStripeAdapter(), createAdyenAdapter()];
  return Object.fromEntries(adapters.map((adapter) => [adapter.kind, adapter]));
}
