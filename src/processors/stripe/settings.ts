import { z } from 'zod';

/** Every request and every webhook endpoint is of this version; the adapter is tested against no other. */
export const STRIPE_API_VERSION = '2026-10-28.endive';

/** What is stored sealed. A restricted key suffices: write on PaymentIntents and Refunds, read on Charges. */
export const StripeCredentials = z.strictObject({
  api_key: z.string().regex(/^(?:sk|rk)_(?:test|live)_\w{3,247}$/, 'must be a secret or restricted key of Stripe'),
  /** Signing secret of the webhook endpoint. */
  notify_secret: z
    .string()
    .regex(/^whsec_\w{16,247}$/, 'must be the signing secret of a webhook endpoint')
    .optional(),
});

export const StripeSettings = z.strictObject({
  /** Several captures of one authorization: a priced feature that the account must have. */
  multicapture: z.boolean().default(false),
  /** A connected account (`acct_…`) that the payments are made for. */
  connected_account: z
    .string()
    .regex(/^acct_\w{8,64}$/, 'must be an account id of Stripe')
    .optional(),
});
export type StripeSettings = z.infer<typeof StripeSettings>;

/** Where live and test accounts alike are; the key decides which of the two. */
export const STRIPE_BASE_URL = 'https://api.stripe.com';
