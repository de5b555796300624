import { z } from 'zod';

/** Every request and every webhook endpoint is of this version; the adapter is tested against no other. */
export const STRIPE_API_VERSION = '2026-10-28.endive';

/** What is stored sealed. A restricted key suffices: write on PaymentIntents and Refunds, read on Charges. */
export const StripeCredentials = z.strictObject({
  api_key: z.string().regex(/^(?:sk|rk)_(?:test|live)_\w{3,247}$/, 'must be a secret or restricted key of Stripe'),
  notification_secret: z
    .string()
    .regex(/^whsec_\w{16,247}$/, 'must be the signing secret of a webhook endpoint')
    .optional(),
});

/** A MID that is a connected account (`acct_…`) is what the payments are made for; any other name is only ours. */
export const CONNECTED_ACCOUNT = /^acct_\w{8,64}$/;
