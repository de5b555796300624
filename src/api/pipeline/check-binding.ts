import type { Request, Response } from 'express';
import { Problem } from '../../domain/errors.ts';
import { recordAbuse } from '../../store/abuse.ts';
import { DPOP_ALGS, ProofRefused, readProof, useProof } from '../access/dpop.ts';
import type { ApiDeps } from '../deps.ts';
import type { Access } from './state.ts';

export interface Presented {
  scheme: 'bearer' | 'dpop' | 'x-api-key';
  secret: string;
}

/** What a request without a usable credential is told (RFC 9449 §7.1, RFC 6750 §3). */
export const CHALLENGES = ['Bearer', `DPoP algs="${DPOP_ALGS.join(' ')}"`];

/**
 * A token that is bound to a key is good only with a fresh proof of that key (RFC 9449 §7), and only under its own
 * scheme; any other credential is refused under it.
 * @throws Problem `unauthorized`
 */
export async function checkBinding(
  { pool, log, config }: ApiDeps,
  req: Request,
  res: Response,
  { access, scheme, secret }: { access: Access } & Presented,
): Promise<void> {
  if (access.jkt === undefined) {
    if (scheme === 'dpop')
      throw refused(res, 'invalid_token', 'The credential is not bound to a key: send it as Bearer.');
    return;
  }
  if (scheme !== 'dpop')
    throw refused(res, 'invalid_token', 'The token is bound to a key: send it as DPoP, with a proof.');
  const { dpop } = req.headers;
  if (typeof dpop !== 'string') throw refused(res, 'invalid_dpop_proof', 'The DPoP header is missing.');
  try {
    const proof = await readProof(dpop, {
      method: req.method,
      url: config.publicUrl + req.originalUrl,
      now: new Date(),
      accessToken: secret,
    });
    if (proof.jkt !== access.jkt) throw refused(res, 'invalid_token', 'The proof is of another key than the token.');
    await useProof(pool, proof);
  } catch (error) {
    if (!(error instanceof ProofRefused)) throw error;
    if (error.replayed) {
      const { tenant, actor } = access;
      await recordAbuse(pool, log, { tenant, actor, code: 'dpop_replayed', detail: error.message, at: new Date() });
    }
    throw refused(res, 'invalid_dpop_proof', `The DPoP proof is refused: ${error.message}.`);
  }
}

function refused(res: Response, error: string, description: string): Problem {
  const said = description.replaceAll('"', "'");
  res.setHeader(
    'WWW-Authenticate',
    `DPoP error="${error}", error_description="${said}", algs="${DPOP_ALGS.join(' ')}"`,
  );
  return new Problem('unauthorized', description);
}
