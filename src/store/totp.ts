import { Secret, TOTP } from 'otpauth';
import type { Tenant } from '../domain/types.ts';
import type { Sealer } from '../trust/seal.ts';
import type { Db } from './pool.ts';

const PERIOD_SECONDS = 30;
/** Steps of clock drift that are forgiven on either side (RFC 6238 §5.2 recommends one). */
const WINDOW_STEPS = 1;
/** Codes that may be tried for a principal without a good one among them, over all challenges. */
export const MAX_TRIES = 20;
const TRIES_WINDOW = '1 hour';

function totpOf(secret: Secret, label = ''): TOTP {
  // SHA-1, six digits, thirty seconds: what every authenticator app can do, whatever the URI says.
  return new TOTP({ issuer: 'Prokura', label, algorithm: 'SHA1', digits: 6, period: PERIOD_SECONDS, secret });
}

/**
 * Gives a principal a new TOTP secret (RFC 6238), replacing any other; it is confirmed by its first valid code.
 * @returns the secret (base32) and its otpauth URI, to be shown once; `undefined` when there is no such principal
 */
export async function enrolTotp(
  db: Db,
  sealer: Sealer,
  { tenant, principalId }: { tenant: Tenant; principalId: string },
): Promise<{ secret: string; otpauthUrl: string } | undefined> {
  const secret = new Secret({ size: 20 });
  const { rows } = await db.query<{ label: string }>(
    `UPDATE principals SET totp_secret_sealed = $4, totp_confirmed_at = NULL, totp_last_step = NULL, updated_at = now(),
            totp_tries = 0, totp_tried_since = NULL,
            step_up_methods = CASE WHEN 'totp' = ANY (step_up_methods) THEN step_up_methods
                                   ELSE step_up_methods || '{totp}'::text[] END
      WHERE org_id = $1 AND mode = $2 AND id = $3 AND status = 'active'
      RETURNING external_ref AS label`,
    [tenant.orgId, tenant.mode, principalId, sealer.seal(secret.base32)],
  );
  if (!rows[0]) return undefined;
  return { secret: secret.base32, otpauthUrl: totpOf(secret, rows[0].label).toString() };
}

const FRESH = `(totp_tried_since > $4::timestamptz - interval '${TRIES_WINDOW}')`;

export type TotpVerdict = 'ok' | 'wrong' | 'reused' | 'not_enrolled' | 'too_many';

/**
 * Judges a code and uses it up: a time step is accepted once, and none before it afterwards (RFC 6238 §5.2), also when
 * the same code arrives twice at once, for the step is moved forward by one conditional UPDATE. Tries are counted before
 * they are judged (RFC 4226 §7.3), so that those which arrive at once count as well: an agent that is challenged as often
 * as it likes would else find a code out. A secret that was sealed anew between two statements, or replaced, is judged
 * again.
 */
export async function verifyTotp(
  db: Db,
  sealer: Sealer,
  asked: { tenant: Tenant; principalId: string; code: string; now: Date },
): Promise<TotpVerdict> {
  const { tenant, principalId, code, now } = asked;
  const { rows } = await db.query<{ sealed: string; tries: number }>(
    `UPDATE principals
        SET totp_tries = LEAST($5, CASE WHEN ${FRESH} THEN totp_tries ELSE 0 END) + 1,
            totp_tried_since = CASE WHEN ${FRESH} THEN totp_tried_since ELSE $4 END
      WHERE org_id = $1 AND mode = $2 AND id = $3 AND status = 'active' AND totp_secret_sealed IS NOT NULL
      RETURNING totp_secret_sealed AS sealed, totp_tries AS tries`,
    [tenant.orgId, tenant.mode, principalId, now, MAX_TRIES],
  );
  if (!rows[0]) return 'not_enrolled';
  const { sealed, tries } = rows[0];
  if (tries > MAX_TRIES) return 'too_many';
  const totp = totpOf(Secret.fromBase32(sealer.open(sealed)));
  const drift = totp.validate({ token: code, timestamp: now.getTime(), window: WINDOW_STEPS });
  if (drift === null) return 'wrong';
  const step = Math.floor(now.getTime() / 1000 / PERIOD_SECONDS) + drift;
  const used = await db.query(
    `UPDATE principals SET totp_last_step = $4, totp_confirmed_at = COALESCE(totp_confirmed_at, $5),
            totp_tries = 0, totp_tried_since = NULL
      WHERE org_id = $1 AND mode = $2 AND id = $3 AND totp_secret_sealed = $6
        AND (totp_last_step IS NULL OR totp_last_step < $4)`,
    [tenant.orgId, tenant.mode, principalId, step, now, sealed],
  );
  if (used.rowCount === 1) return 'ok';
  // Whoever says it again knows it, and has guessed nothing.
  const kept = await db.query<{ sealed: string | null }>(
    `UPDATE principals SET totp_tries = GREATEST(0, totp_tries - 1)
      WHERE org_id = $1 AND mode = $2 AND id = $3 RETURNING totp_secret_sealed AS sealed`,
    [tenant.orgId, tenant.mode, principalId],
  );
  return kept.rows[0]?.sealed === sealed ? 'reused' : verifyTotp(db, sealer, asked);
}
