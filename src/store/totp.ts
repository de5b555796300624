import { Secret, TOTP } from 'otpauth';
import type { Tenant } from '../domain/types.ts';
import type { Sealer } from '../trust/seal.ts';
import type { Db } from './pool.ts';

const PERIOD_SECONDS = 30;
/** Steps of clock drift that are forgiven on either side (RFC 6238 §5.2 recommends one). */
const WINDOW_STEPS = 1;

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
            step_up_methods = CASE WHEN 'totp' = ANY (step_up_methods) THEN step_up_methods
                                   ELSE step_up_methods || '{totp}'::text[] END
      WHERE org_id = $1 AND mode = $2 AND id = $3 AND status = 'active'
      RETURNING external_ref AS label`,
    [tenant.orgId, tenant.mode, principalId, sealer.seal(secret.base32)],
  );
  if (!rows[0]) return undefined;
  return { secret: secret.base32, otpauthUrl: totpOf(secret, rows[0].label).toString() };
}

export type TotpVerdict = 'ok' | 'wrong' | 'reused' | 'not_enrolled';

/**
 * Judges a code and uses it up: a time step is accepted once, and none before it afterwards (RFC 6238 §5.2), also when
 * the same code arrives twice at once, for the step is moved forward by one conditional UPDATE.
 */
export async function verifyTotp(
  db: Db,
  sealer: Sealer,
  { tenant, principalId, code, now }: { tenant: Tenant; principalId: string; code: string; now: Date },
): Promise<TotpVerdict> {
  const { rows } = await db.query<{ sealed: string | null }>(
    `SELECT totp_secret_sealed AS sealed FROM principals
      WHERE org_id = $1 AND mode = $2 AND id = $3 AND status = 'active'`,
    [tenant.orgId, tenant.mode, principalId],
  );
  const sealed = rows[0]?.sealed;
  if (!sealed) return 'not_enrolled';
  const totp = totpOf(Secret.fromBase32(sealer.open(sealed)));
  const drift = totp.validate({ token: code, timestamp: now.getTime(), window: WINDOW_STEPS });
  if (drift === null) return 'wrong';
  const step = Math.floor(now.getTime() / 1000 / PERIOD_SECONDS) + drift;
  const used = await db.query(
    `UPDATE principals SET totp_last_step = $4, totp_confirmed_at = COALESCE(totp_confirmed_at, $5)
      WHERE org_id = $1 AND mode = $2 AND id = $3 AND totp_secret_sealed = $6
        AND (totp_last_step IS NULL OR totp_last_step < $4)`,
    [tenant.orgId, tenant.mode, principalId, step, now, sealed],
  );
  return used.rowCount === 1 ? 'ok' : 'reused';
}
