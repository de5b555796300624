import type { ProcessorPort } from './port.ts';
import { createSimulatorAdapter } from './simulator/adapter.ts';

/** Every adapter by the `kind` that a processor row names. One instance each: they hold the kept connections. */
export function createProcessors(): Record<string, ProcessorPort> {
  const adapters = [createSimulatorAdapter()];
  return Object.fromEntries(adapters.map((adapter) => [adapter.kind, adapter]));
}
