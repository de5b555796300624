import { z } from 'zod';
import type { Authorities } from '../../store/certificates/authorities.ts';
import type { AuthorityRow } from '../../store/certificates/authority-rows.ts';
import { findBySerial } from '../../store/certificates/rows.ts';
import type { Db } from '../../store/pool.ts';
import { subjectOf } from '../../trust/pki/certificate.ts';
import {
  answerOcsp,
  isIssuer,
  ocspFailure,
  OcspMalformed,
  readOcspRequest,
  type OcspQuestion,
  type OcspState,
} from '../../trust/pki/ocsp.ts';
import type { ApiDeps } from '../deps.ts';
import { isDependencyAway } from '../pipeline/problem.ts';
import { SigningKeyAway } from '../../trust/pki/signing-key.ts';
import { route, type AnyRoute, type Reply } from '../route.ts';

const REQUEST = 'application/ocsp-request';
const RESPONSE = 'application/ocsp-response';
/** Seconds that an answer is good for; a revocation is told at once to whoever asks anew. */
const VALID_SECONDS = 60;

const shared = {
  scope: 'public',
  idempotency: 'none',
  replay: 'none',
  tags: ['Certificates'],
  responses: {
    200: { description: 'OCSP response (RFC 6960), failures of the protocol included', contentType: RESPONSE },
  },
} as const;

/** The responder: it answers for every issuing authority there was, by a delegated certificate of each. */
export function ocspRoutes({ authorities, pool }: ApiDeps): AnyRoute[] {
  return [
    route({
      ...shared,
      method: 'post',
      path: '/ocsp',
      summary: 'Whether certificates are revoked (RFC 6960).',
      takes: REQUEST,
      handler: ({ rawBody }) => respond(authorities, pool, rawBody, undefined),
    }),
    route({
      ...shared,
      method: 'get',
      path: '/ocsp/:request',
      summary: 'Whether certificates are revoked (RFC 6960 appendix A.1): the request in base64, percent-encoded.',
      params: z.object({ request: z.string().max(8_192) }),
      handler: ({ params }) => respond(authorities, pool, Buffer.from(params.request, 'base64'), VALID_SECONDS),
    }),
  ];
}

/** @param cacheSeconds for answers that a cache may keep; never one with a nonce */
async function respond(
  authorities: Authorities,
  db: Db,
  request: Buffer,
  cacheSeconds: number | undefined,
): Promise<Reply> {
  try {
    const question = readOcspRequest(request);
    const issuers = (await authorities.all()).filter(({ role }) => role === 'issuing');
    const asked = issuers.find((issuer) => isIssuer(question.asked[0]!, issuer));
    // Nobody we know: answered by the present authority, as unknown.
    const issuer = asked ?? issuers.find(({ retiredAt }) => retiredAt === null);
    if (!issuer) return reply(ocspFailure('tryLater'));
    const states = await Promise.all(question.asked.map((_, i) => stateOf(db, question, i, issuer)));
    const responder = await authorities.responderOf(issuer.id);
    const der = await answerOcsp(
      question,
      states,
      { ...responder, name: subjectOf(responder.certificate), key: await authorities.keyOf(responder) },
      { now: new Date(), validSeconds: VALID_SECONDS },
    );
    return reply(der, question.nonce ? undefined : cacheSeconds);
  } catch (error) {
    if (error instanceof OcspMalformed) return reply(ocspFailure('malformedRequest'));
    if (error instanceof SigningKeyAway || isDependencyAway(error)) return reply(ocspFailure('tryLater'));
    throw error;
  }
}

async function stateOf(db: Db, { asked }: OcspQuestion, i: number, issuer: AuthorityRow): Promise<OcspState> {
  const one = asked[i]!;
  const row = isIssuer(one, issuer) ? await findBySerial(db, one.serial) : undefined;
  if (!row || row.issuerId !== issuer.id) return 'unknown';
  return row.revokedAt === null ? 'good' : { revokedAt: row.revokedAt, reason: row.reasonCode ?? 0 };
}

function reply(body: Buffer, cacheSeconds?: number): Reply {
  const headers = cacheSeconds ? { 'Cache-Control': `public, max-age=${cacheSeconds}` } : undefined;
  return { status: 200, body, contentType: RESPONSE, headers };
}
