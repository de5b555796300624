import type { z } from 'zod';
import { createAdyenAdapter } from './adyen/adapter.ts';
import { AdyenCredentials } from './adyen/settings.ts';
import type { ProcessorPort } from './port.ts';
import { createSimulatorAdapter } from './simulator/adapter.ts';
import { SimulatorCredentials } from './simulator/settings.ts';
import { createStripeAdapter } from './stripe/adapter.ts';
import { StripeCredentials } from './stripe/settings.ts';

/** Every adapter by the `kind` that a processor row names. One instance each: they hold the kept connections. */
export function createProcessors(): Record<string, ProcessorPort> {
  const adapters = [createSimulatorAdapter(), createStripeAdapter(), createAdyenAdapter()];
  return Object.fromEntries(adapters.map((adapter) => [adapter.kind, adapter]));
}

type CredentialForm = z.ZodObject<{ api_key: z.ZodString; notification_secret: z.ZodOptional<z.ZodString> }>;

/** What an account of each kind must bring to be spoken for: `{api_key, notification_secret?}` in the form of the kind. */
export const CREDENTIALS: Readonly<Record<string, CredentialForm>> = {
  simulator: SimulatorCredentials,
  stripe: StripeCredentials,
  adyen: AdyenCredentials,
};
