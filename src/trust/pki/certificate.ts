import { createHash, randomBytes } from 'node:crypto';
import { AsnConvert } from '@peculiar/asn1-schema';
import {
  AlgorithmIdentifier,
  AttributeTypeAndValue,
  AttributeValue,
  Certificate,
  type Extension,
  Extensions,
  Name,
  RelativeDistinguishedName,
  SubjectPublicKeyInfo,
  TBSCertificate,
  Validity,
  Version,
} from '@peculiar/asn1-x509';
import { bitString, sequence, wholeSeconds } from './der.ts';
import { ALGORITHM, type SigningKey } from './signing-key.ts';

export interface CertificateContent {
  /** Octets of a positive integer. */
  serial: Buffer;
  subject: Name;
  /** SubjectPublicKeyInfo, DER. */
  publicKey: Buffer;
  notBefore: Date;
  notAfter: Date;
  extensions: Extension[];
}

/** Signs a certificate of version 3 (RFC 5280 §4.1). @returns DER. @throws SigningKeyAway */
export async function signCertificate(
  content: CertificateContent,
  issuer: { name: Name; key: SigningKey },
): Promise<Buffer> {
  const { der } = ALGORITHM[issuer.key.scheme];
  const body = new TBSCertificate({
    version: Version.v3,
    serialNumber: bytes(content.serial),
    signature: AsnConvert.parse(bytes(der), AlgorithmIdentifier),
    issuer: issuer.name,
    validity: new Validity({
      notBefore: wholeSeconds(content.notBefore),
      notAfter: wholeSeconds(content.notAfter),
    }),
    subject: content.subject,
    subjectPublicKeyInfo: AsnConvert.parse(bytes(content.publicKey), SubjectPublicKeyInfo),
    extensions: new Extensions(content.extensions),
  });
  const signed = Buffer.from(AsnConvert.serialize(body));
  return sequence(signed, der, bitString(await issuer.key.sign(signed)));
}

/**
 * A serial number: 126 random bits (RFC 5280 §4.1.2.2 asks for a positive integer of at most 20 octets, the CA/Browser
 * Forum for 64 bits of randomness), always of 16 octets, so that every tool prints it alike.
 */
export function newSerial(): Buffer {
  const serial = randomBytes(16);
  serial[0] = (serial[0]! & 0x3f) | 0x40;
  return serial;
}

export const ATTRIBUTE = { commonName: '2.5.4.3', organization: '2.5.4.10', serialNumber: '2.5.4.5' } as const;
/** RFC 5280 appendix A.1: upper bounds of name attributes. */
const LONGEST = 64;

/** A distinguished name; a text that is too long is cut, since it is for people and names nobody. */
export function nameOf(parts: Partial<Record<keyof typeof ATTRIBUTE, string>>): Name {
  return new Name(
    Object.entries(parts).map(([kind, text]) => {
      const cut = Array.from(text).slice(0, LONGEST).join('');
      const value =
        kind === 'serialNumber'
          ? new AttributeValue({ printableString: cut })
          : new AttributeValue({ utf8String: cut });
      const type = ATTRIBUTE[kind as keyof typeof ATTRIBUTE];
      return new RelativeDistinguishedName([new AttributeTypeAndValue({ type, value })]);
    }),
  );
}

export function subjectOf(certificate: Buffer): Name {
  return AsnConvert.parse(bytes(certificate), Certificate).tbsCertificate.subject;
}

/** Key identifier (RFC 5280 §4.2.1.2, method 1): SHA-1 of the key's bits; it finds keys, and vouches for nothing. */
export function keyIdentifier(publicKey: Buffer): Buffer {
  const { subjectPublicKey } = AsnConvert.parse(bytes(publicKey), SubjectPublicKeyInfo);
  return createHash('sha1').update(Buffer.from(subjectPublicKey)).digest();
}

/** The bytes as the library takes them. */
export function bytes(buffer: Uint8Array): ArrayBuffer {
  return buffer.buffer.slice(buffer.byteOffset, buffer.byteOffset + buffer.byteLength) as ArrayBuffer;
}
