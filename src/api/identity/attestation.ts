import { Failed, type Attestation, type Check, type Evidence, type Subject } from './attestations/evidence.ts';
import { checkHttpSignature } from './attestations/http-signature.ts';
import { checkJwt } from './attestations/jwt.ts';
import { checkJwtSvid } from './attestations/jwt-svid.ts';
import { checkSignedNonce } from './attestations/signed-nonce.ts';
import { checkX509 } from './attestations/x509.ts';

export type { Check } from './attestations/evidence.ts';

export const ATTESTATION_TYPES = ['jwt', 'x509', 'http-signature', 'signed-nonce', 'jwt-svid'] as const;
type AttestationType = (typeof ATTESTATION_TYPES)[number];

const JUDGES: Record<AttestationType, (attestation: Attestation, subject: Subject) => AsyncGenerator<Check>> = {
  jwt: checkJwt,
  x509: checkX509,
  'http-signature': checkHttpSignature,
  'signed-nonce': checkSignedNonce,
  'jwt-svid': checkJwtSvid,
};

/**
 * Judges what the agent presents for itself. The checks of its kind come first, and the first that fails ends them;
 * the last, `attestation`, is the sum. What cannot be read fails: it is never an error of the request.
 */
export async function checkAttestation(
  attestation: Attestation & { type: AttestationType },
  subject: Subject,
): Promise<Evidence> {
  const checks: Check[] = [];
  try {
    for await (const check of JUDGES[attestation.type](attestation, subject)) checks.push(check);
    const detail = `The agent is proved by ${attestation.type}`;
    return { checks: [...checks, { code: 'attestation', ok: true, detail }] };
  } catch (error) {
    if (!(error instanceof Failed)) throw error;
    const { check, abuse } = error;
    return { checks: [...checks, check, { code: 'attestation', ok: false, detail: check.detail }], abuse };
  }
}
