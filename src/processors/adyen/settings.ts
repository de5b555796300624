import { z } from 'zod';

/** Version of the Checkout API that requests and answers are written in; it is the last segment of the base address. */
export const ADYEN_API_VERSION = 'v71';

/** Test accounts; live ones have an address of their own: `https://{prefix}-checkout-live.adyenpayments.com/checkout/v71`. */
export const ADYEN_TEST_BASE_URL = `https://checkout-test.adyen.com/${ADYEN_API_VERSION}`;

/** What is stored sealed. The merchant account is the MID's name. */
export const AdyenCredentials = z.strictObject({
  api_key: z.string().min(8).max(512),
  /** HMAC key of the standard webhook, as the Customer Area shows it. */
  notify_secret: z
    .string()
    .regex(/^(?:[0-9A-Fa-f]{2}){16,64}$/, 'must be an HMAC key in hexadecimal')
    .optional(),
});

export const AdyenSettings = z.strictObject({
  /** Whether the merchant account captures an authorization several times; elsewhere Adyen lets go of the rest. */
  multiple_partial_captures: z.boolean().default(false),
});
export type AdyenSettings = z.infer<typeof AdyenSettings>;
