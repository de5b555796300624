import { z } from 'zod';

/**
 * What is stored sealed. The merchant account is the MID's name. The base address ends with the version of the Checkout
 * API that requests and answers are written in: `https://checkout-test.adyen.com/v71`, and for live accounts
 * `https://{prefix}-checkout-live.adyenpayments.com/checkout/v71`.
 */
export const AdyenCredentials = z.strictObject({
  api_key: z.string().min(8).max(512),
  /** HMAC key of the standard webhook, as the Customer Area shows it. */
  notification_secret: z
    .string()
    .regex(/^(?:[0-9A-Fa-f]{2}){16,64}$/, 'must be an HMAC key in hexadecimal')
    .optional(),
});
