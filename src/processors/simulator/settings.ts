import { z } from 'zod';

/** Any key opens any simulated account. */
export const SimulatorCredentials = z.strictObject({
  api_key: z.string().min(1).max(4_000),
  notification_secret: z.string().min(1).max(4_000).optional(),
});
