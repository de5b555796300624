import { createHash } from 'node:crypto';
import {
  BasicOCSPResponse,
  type CertID,
  CertStatus,
  id_pkix_ocsp_basic,
  id_pkix_ocsp_nonce,
  KeyHash,
  OCSPRequest,
  OCSPResponse,
  OCSPResponseStatus,
  ResponderID,
  ResponseBytes,
  ResponseData,
  RevokedInfo,
  SingleResponse,
} from '@peculiar/asn1-ocsp';
import { AsnConvert, OctetString } from '@peculiar/asn1-schema';
import {
  AlgorithmIdentifier,
  Certificate,
  CRLReason,
  CRLReasons,
  type Extension,
  type Name,
} from '@peculiar/asn1-x509';
import { bytes } from './certificate.ts';
import { wholeSeconds } from './der.ts';
import { ALGORITHM, type SigningKey } from './signing-key.ts';

/** Certificates asked for in one request; more are asked for by nobody. */
const MAX_ASKED = 32;
/** RFC 9654 §2.1: a nonce has 1 to 128 octets. */
const MAX_NONCE = 128;
/** Hashes of CertID: SHA-1 (everybody's default) and SHA-2. They find the issuer, and vouch for nothing. */
const HASHES: Record<string, string> = {
  '1.3.14.3.2.26': 'sha1',
  '2.16.840.1.101.3.4.2.1': 'sha256',
  '2.16.840.1.101.3.4.2.2': 'sha384',
  '2.16.840.1.101.3.4.2.3': 'sha512',
};

/** The request cannot be read, or asks for too much: `malformedRequest`. */
export class OcspMalformed extends Error {
  override readonly name = 'OcspMalformed';
}

export interface Asked {
  id: CertID;
  /** Hexadecimal, capitals. */
  serial: string;
}

export interface OcspQuestion {
  asked: Asked[];
  nonce?: Extension;
}

/** Reads a request of RFC 6960 §4.1; a signature of the requestor is not asked for and not looked at. @throws OcspMalformed */
export function readOcspRequest(der: Uint8Array): OcspQuestion {
  let request: OCSPRequest;
  try {
    request = AsnConvert.parse(bytes(der), OCSPRequest);
  } catch (error) {
    throw new OcspMalformed('The request cannot be read', { cause: error });
  }
  const { requestList, requestExtensions = [] } = request.tbsRequest;
  if (requestList.length === 0 || requestList.length > MAX_ASKED) {
    throw new OcspMalformed(`A request asks for 1 to ${MAX_ASKED} certificates`);
  }
  const nonce = requestExtensions.find(({ extnID }) => extnID === id_pkix_ocsp_nonce);
  // The octets of the extension hold an OCTET STRING of their own.
  const length = nonce?.extnValue.byteLength;
  if (length !== undefined && (length < 3 || length > MAX_NONCE + 3)) {
    throw new OcspMalformed(`A nonce has 1 to ${MAX_NONCE} octets`);
  }
  // RFC 6960 §4.4: what is critical must be understood.
  if (requestExtensions.some(({ critical, extnID }) => critical && extnID !== id_pkix_ocsp_nonce)) {
    throw new OcspMalformed('The request has a critical extension that is not known here');
  }
  const asked = requestList.map(({ reqCert }) => {
    const hex = Buffer.from(reqCert.serialNumber)
      .toString('hex')
      .toUpperCase()
      .replace(/^(?:00)+(?=.)/, '');
    return { id: reqCert, serial: hex };
  });
  return { asked, nonce };
}

/** Whether a question is about certificates of this issuer. */
export function isIssuer({ id }: Asked, issuer: { certificate: Buffer }): boolean {
  const hash = HASHES[id.hashAlgorithm.algorithm];
  if (hash === undefined) return false;
  const { subject, subjectPublicKeyInfo } = AsnConvert.parse(bytes(issuer.certificate), Certificate).tbsCertificate;
  const same = (content: ArrayBuffer, told: OctetString) =>
    createHash(hash).update(Buffer.from(content)).digest().equals(Buffer.from(told.buffer));
  return (
    same(AsnConvert.serialize(subject), id.issuerNameHash) &&
    same(subjectPublicKeyInfo.subjectPublicKey, id.issuerKeyHash)
  );
}

/** What is known of one certificate: `unknown` when nobody here has issued it. */
export type OcspState = 'good' | 'unknown' | { revokedAt: Date; reason: number };

export interface Responder {
  /** DER; issued by the authority itself, for OCSP alone. */
  certificate: Buffer;
  keyIdentifier: Buffer;
  name: Name;
  key: SigningKey;
}

/** Signs an answer (RFC 6960 §4.2), with the nonce of the question. @returns DER. @throws SigningKeyAway */
export async function answerOcsp(
  { asked, nonce }: OcspQuestion,
  states: readonly OcspState[],
  responder: Responder,
  { now, validSeconds }: { now: Date; validSeconds: number },
): Promise<Buffer> {
  const at = wholeSeconds(now);
  const data = new ResponseData({
    responderID: new ResponderID({ byKey: new KeyHash(bytes(responder.keyIdentifier)) }),
    producedAt: at,
    responses: asked.map(
      ({ id }, i) =>
        new SingleResponse({
          certID: id,
          certStatus: statusOf(states[i]!),
          thisUpdate: at,
          nextUpdate: new Date(at.getTime() + validSeconds * 1000),
        }),
    ),
    ...(nonce ? { responseExtensions: [nonce] } : {}),
  });
  const signature = await responder.key.sign(Buffer.from(AsnConvert.serialize(data)));
  const basic = new BasicOCSPResponse({
    tbsResponseData: data,
    signatureAlgorithm: AsnConvert.parse(bytes(ALGORITHM[responder.key.scheme].der), AlgorithmIdentifier),
    signature: bytes(signature),
    certs: [AsnConvert.parse(bytes(responder.certificate), Certificate)],
  });
  const response = new OCSPResponse({
    responseStatus: OCSPResponseStatus.successful,
    responseBytes: new ResponseBytes({
      responseType: id_pkix_ocsp_basic,
      response: new OctetString(AsnConvert.serialize(basic)),
    }),
  });
  return Buffer.from(AsnConvert.serialize(response));
}

/** An answer without content: it is not signed (RFC 6960 §2.3). */
export function ocspFailure(status: 'malformedRequest' | 'internalError' | 'tryLater'): Buffer {
  return Buffer.from(AsnConvert.serialize(new OCSPResponse({ responseStatus: OCSPResponseStatus[status] })));
}

/** RFC 5280 §5.3.1 by number; `unspecified` is said by leaving it out. */
const REASONS: Record<number, CRLReasons> = {
  1: CRLReasons.keyCompromise,
  3: CRLReasons.affiliationChanged,
  4: CRLReasons.superseded,
  5: CRLReasons.cessationOfOperation,
  9: CRLReasons.privilegeWithdrawn,
};

function statusOf(state: OcspState): CertStatus {
  if (state === 'good') return new CertStatus({ good: null });
  if (state === 'unknown') return new CertStatus({ unknown: null });
  const { revokedAt, reason } = state;
  const named = REASONS[reason];
  return new CertStatus({
    revoked: new RevokedInfo({
      revocationTime: wholeSeconds(revokedAt),
      ...(named === undefined ? {} : { revocationReason: new CRLReason(named) }),
    }),
  });
}
