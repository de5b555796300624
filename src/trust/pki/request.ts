import 'reflect-metadata';
import { AsnConvert } from '@peculiar/asn1-schema';
import { SubjectAlternativeName } from '@peculiar/asn1-x509';
import {
  BasicConstraintsExtension,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  Pkcs10CertificateRequest,
  SubjectAlternativeNameExtension,
} from '@peculiar/x509';
import { KeyRefused, readPem } from '../public-key.ts';

/** Why a certificate signing request is not accepted; a sentence. */
export class RequestRefused extends Error {
  override readonly name = 'RequestRefused';
}

const MAX_BYTES = 16_384;
const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';
const HASHES = new Set(['SHA-256', 'SHA-384', 'SHA-512']);
/** An agent's certificate says of these what ours says; a request may agree, and not ask for more. */
const AGREEABLE = new Set(['2.5.29.14', '2.5.29.15', '2.5.29.17', '2.5.29.19', '2.5.29.37']);

export interface AcceptedRequest {
  /** SubjectPublicKeyInfo, DER. */
  publicKey: Buffer;
  algorithm: string;
}

/**
 * Reads a PKCS #10 request (RFC 2986) and judges it: signed by the key that it names (proof of possession), a key that
 * protects something, no name but the agent's own, no right that agents do not get. Its subject is not taken over.
 * @param names every URI that the agent goes by
 * @throws RequestRefused
 */
export async function readRequest(pem: string, names: readonly string[]): Promise<AcceptedRequest> {
  const request = parse(pem);
  const key = await strongKey(request);
  const { name, hash } = request.signatureAlgorithm as { name: string; hash?: { name: string } };
  // The library names by their OIDs those that it does not know: MD5, SHA-224 and the like.
  if (/^[\d.]+$/.test(name)) throw new RequestRefused(`is signed by an algorithm that is not taken: ${name}`);
  if (hash && !HASHES.has(hash.name)) throw new RequestRefused(`is signed by a weak algorithm: ${hash.name}`);
  if (!(await request.verify().catch(() => false))) {
    throw new RequestRefused('is not signed by the key that it names: whoever sent it does not have that key');
  }
  checkExtensions(request, names);
  return { publicKey: Buffer.from(request.publicKey.rawData), algorithm: key };
}

function parse(pem: string): Pkcs10CertificateRequest {
  try {
    const [block, ...more] = PemConverter.decodeWithHeaders(pem);
    const isRequest = block && /^(?:NEW )?CERTIFICATE REQUEST$/.test(block.type);
    if (isRequest && more.length === 0 && block.rawData.byteLength <= MAX_BYTES) {
      return new Pkcs10CertificateRequest(block.rawData);
    }
  } catch {
    // Told below.
  }
  throw new RequestRefused('must be one PKCS #10 certificate signing request in PEM');
}

/** @returns what kind of key it is, as keys are told elsewhere */
async function strongKey(request: Pkcs10CertificateRequest): Promise<string> {
  try {
    return (await readPem(request.publicKey.toString('pem'))).alg;
  } catch (error) {
    if (error instanceof KeyRefused) throw new RequestRefused(`has a key that ${error.message}`);
    throw error;
  }
}

function checkExtensions(request: Pkcs10CertificateRequest, names: readonly string[]): void {
  for (const extension of request.extensions) {
    if (!AGREEABLE.has(extension.type)) {
      throw new RequestRefused(`asks for the extension ${extension.type}, which agents do not get`);
    }
    if (extension instanceof BasicConstraintsExtension && extension.ca) {
      throw new RequestRefused('asks to be an authority');
    }
    if (extension instanceof KeyUsagesExtension && extension.usages & ~KeyUsageFlags.digitalSignature) {
      throw new RequestRefused('asks for a key usage other than digitalSignature');
    }
    if (
      extension instanceof ExtendedKeyUsageExtension &&
      extension.usages.some((usage) => String(usage) !== CLIENT_AUTH)
    ) {
      throw new RequestRefused('asks for an extended key usage other than clientAuth');
    }
    if (extension instanceof SubjectAlternativeNameExtension) {
      const other = extension.names.items.find(({ type, value }) => type !== 'url' || !names.includes(value));
      if (other) throw new RequestRefused(`asks for a name that is not the agent's: ${other.value}`);
      // Kinds that it cannot show, such as `otherName`, the library leaves out.
      if (AsnConvert.parse(extension.value, SubjectAlternativeName).length !== extension.names.items.length) {
        throw new RequestRefused("asks for a name that is not the agent's, of a kind that agents do not have");
      }
    }
  }
}
