import { z } from 'zod';

const Jwk = z.looseObject({ kty: z.string().max(16) });
const token = z.string().min(1).max(262_144);

/** What the relying party knows itself and compares the mandate with; nothing of it comes out of the mandate. */
export const VerificationBody = z
  .strictObject({
    keys: z.array(Jwk).max(20).optional().meta({ description: 'JWKs that may have signed the first mandate' }),
    merchant_keys: z.array(Jwk).max(20).optional().meta({ description: 'JWKs of the merchant, for its checkout JWT' }),
    aud: z.string().min(1).max(2_048).optional(),
    nonce: z.string().min(1).max(2_048).optional(),
    checkout_jwt: token.optional().meta({ description: 'As it was received from the merchant' }),
  })
  .meta({ id: 'MandateVerification' });

/** A mandate, in any of its forms; which one it is, `mandateForm` says. */
export const MandateBody = z.record(z.string(), z.unknown(), { error: 'must be an object' });
