import { decodeProtectedHeader, errors, importJWK, jwtVerify } from 'jose';
import { toTypeId } from '../../domain/ids.ts';
import type { AgentKeyRow } from '../../store/agent-keys.ts';

export const ATTESTATION_TYPES = ['jwt', 'x509', 'http-signature', 'signed-nonce', 'jwt-svid'] as const;

export interface Check {
  code: string;
  ok: boolean;
  detail: string;
}

interface Attestation {
  type: (typeof ATTESTATION_TYPES)[number];
  [member: string]: unknown;
}

/** Seconds that the clock of an agent may be off. */
const CLOCK_TOLERANCE_SECONDS = 60;

/**
 * Judges what the agent presents for itself. `jwt`: `{token}`, signed by a registered, unrevoked key of the agent, with
 * the agent as `iss` or `sub`, an expiry, and this API as `aud` when it has one. The other types are answered as a failed
 * check until they can be judged: an attestation that is not understood must not count.
 */
export async function checkAttestation(
  attestation: Attestation,
  { agent_id }: { agent_id: string },
  keys: AgentKeyRow[],
  audience: string,
  now: Date,
): Promise<Check> {
  const code = 'attestation';
  const fail = (detail: string): Check => ({ code, ok: false, detail });
  if (attestation.type !== 'jwt') return fail(`Attestations of type ${attestation.type} are not supported`);
  const { token } = attestation;
  if (typeof token !== 'string') return fail('attestation.token must be a JWT');
  const usable = keys.filter((key) => key.status === 'active' && (key.notAfter === null || key.notAfter > now));
  if (usable.length === 0) return fail('The agent has no usable key');

  let kid: string | undefined;
  try {
    ({ kid } = decodeProtectedHeader(token));
  } catch {
    return fail('The token is not a JWT');
  }
  const candidates = kid === undefined ? usable : usable.filter((key) => key.thumbprint === kid || isKeyId(kid, key));
  if (candidates.length === 0) return fail('The token names a key that is not a usable key of the agent');
  const names = [agent_id, toTypeId('agt', agent_id)];
  let reason = 'The signature does not verify';
  for (const key of candidates) {
    try {
      const { payload } = await jwtVerify(token, await importJWK(key.jwk, key.alg), {
        algorithms: algorithmsOf(key),
        requiredClaims: ['exp'],
        clockTolerance: CLOCK_TOLERANCE_SECONDS,
        currentDate: now,
      });
      if (!names.includes(String(payload.sub)) && !names.includes(String(payload.iss))) {
        return fail('The token is about another agent');
      }
      if (payload.aud !== undefined && ![payload.aud].flat().includes(audience))
        return fail('The token is meant for another audience');
      return { code, ok: true, detail: `Signed by the agent’s key ${key.thumbprint}` };
    } catch (error) {
      if (!(error instanceof errors.JOSEError)) throw error;
      if (error instanceof errors.JWTClaimValidationFailed || error instanceof errors.JWTExpired) {
        reason = `The token is not good: ${error.claim} ${error.reason}`;
      }
    }
  }
  return fail(reason);
}

/** An RSA key signs by either padding of RFC 7518 §3.3, §3.5; every other kind has one algorithm. */
function algorithmsOf(key: AgentKeyRow): string[] {
  return key.alg === 'RS256' ? ['RS256', 'PS256'] : [key.alg];
}

function isKeyId(kid: string | undefined, key: AgentKeyRow): boolean {
  return kid === key.id || kid === toTypeId('key', key.id);
}
