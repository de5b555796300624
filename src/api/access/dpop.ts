import { calculateJwkThumbprint, EmbeddedJWK, errors, jwtVerify, type JWK } from 'jose';
import type { Db } from '../../store/pool.ts';
import { useOnce } from '../../store/used-identifiers.ts';
import { sha256 } from '../../trust/canonical.ts';
import { SIGNING_ALGS, SKEW_SECONDS } from './signed-jwt.ts';

/** `dpop_signing_alg_values_supported` of the metadata, and `algs` of the challenge. */
export const DPOP_ALGS = SIGNING_ALGS;

/** A proof that does not prove; the message is for the client. */
export class ProofRefused extends Error {
  override readonly name = 'ProofRefused';
  /** Set on a proof that was used before: what a thief of requests would send. */
  readonly replayed: boolean;

  constructor(detail: string, replayed = false) {
    super(detail);
    this.replayed = replayed;
  }
}

export interface Proof {
  /** RFC 7638 thumbprint of the key that made the proof. */
  jkt: string;
  jti: string;
  /** Unix seconds. */
  issuedAt: number;
}

interface Proven {
  method: string;
  /** Where the request went, as the client sees it; query and fragment do not count. */
  url: string;
  now: Date;
  /** At a resource: the token that the proof has to go with. */
  accessToken?: string;
}

/**
 * Checks a DPoP proof (RFC 9449 §4.3), all but its single use.
 * @throws ProofRefused
 */
export async function readProof(proof: string, { method, url, now, accessToken }: Proven): Promise<Proof> {
  const { payload, jwk } = await verified(proof, now);
  const { htm, htu, iat, jti, ath } = payload;
  if (typeof jti !== 'string' || jti === '' || jti.length > 256) {
    throw new ProofRefused('jti must be a text of 1 to 256 characters');
  }
  if (htm !== method) throw new ProofRefused(`htm must be ${method}`);
  if (typeof htu !== 'string' || normal(htu) !== normal(url)) throw new ProofRefused(`htu must be ${normal(url)}`);
  if (typeof iat !== 'number') throw new ProofRefused('iat is missing');
  if (Math.abs(now.getTime() / 1000 - iat) > SKEW_SECONDS) {
    throw new ProofRefused(`iat must be within ${SKEW_SECONDS} seconds of now`);
  }
  if (accessToken !== undefined && ath !== sha256(accessToken).toString('base64url')) {
    throw new ProofRefused('ath must be the hash of the access token');
  }
  return { jkt: await calculateJwkThumbprint(jwk), jti, issuedAt: iat };
}

/**
 * Uses a proof up: it is good for one request, whichever process gets it.
 * @throws ProofRefused for a proof that was used before
 */
export async function useProof(db: Db, { jkt, jti, issuedAt }: Proof): Promise<void> {
  const until = new Date((issuedAt + SKEW_SECONDS + 1) * 1000);
  if (!(await useOnce(db, 'dpop', jkt, { identifier: jti, until }))) {
    throw new ProofRefused('the proof was used before', true);
  }
}

async function verified(proof: string, now: Date): Promise<{ payload: Record<string, unknown>; jwk: JWK }> {
  try {
    const { payload, protectedHeader } = await jwtVerify(proof, EmbeddedJWK, {
      typ: 'dpop+jwt',
      algorithms: DPOP_ALGS,
      currentDate: now,
      clockTolerance: SKEW_SECONDS,
    });
    return { payload, jwk: protectedHeader.jwk! };
  } catch (error) {
    // jose throws TypeErrors for keys that it cannot import or that do not fit the algorithm.
    if (!(error instanceof errors.JOSEError || error instanceof TypeError || error instanceof DOMException))
      throw error;
    const algorithm = error instanceof errors.JOSEAlgNotAllowed || error instanceof errors.JOSENotSupported;
    throw new ProofRefused(
      algorithm ? `alg must be one of ${DPOP_ALGS.join(', ')}` : 'it must be one signed JWT of type dpop+jwt',
    );
  }
}

/** RFC 9449 §4.3: compared after normalization (RFC 3986 §6.2.2, §6.2.3), without query and fragment. */
function normal(text: string): string | undefined {
  if (!URL.canParse(text)) return undefined;
  const url = new URL(text);
  url.search = '';
  url.hash = '';
  return url.href;
}
