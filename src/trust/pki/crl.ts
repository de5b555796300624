import { AsnConvert } from '@peculiar/asn1-schema';
import { type Name } from '@peculiar/asn1-x509';
import { bitString, header, integer, sequence, TAG, time, tlv, wholeSeconds } from './der.ts';
import { ALGORITHM, type SigningKey } from './signing-key.ts';

export interface RevokedEntry {
  /** Hexadecimal, capitals, whole octets, first bit clear. */
  serial: string;
  revokedAt: Date;
  /** RFC 5280 §5.3.1. */
  reason: number;
}

const REASON_OID = Buffer.from('0603551d15', 'hex');
const NUMBER_OID = Buffer.from('0603551d14', 'hex');
const AUTHORITY_KEY_OID = Buffer.from('0603551d23', 'hex');

/**
 * Entries of `revokedCertificates` (RFC 5280 §5.1.2.6), DER, one after the other. Written by hand: the library builds
 * objects for every value, which takes seconds for 100,000 entries and stops everything else meanwhile.
 */
export function encodeEntries(entries: readonly RevokedEntry[]): Buffer {
  return Buffer.concat(
    entries.map(({ serial, revokedAt, reason }) =>
      sequence(
        tlv(TAG.integer, Buffer.from(serial, 'hex')),
        time(revokedAt),
        // §5.3.1: `unspecified` is said by leaving it out.
        ...(reason === 0 ? [] : [extensions([REASON_OID, Buffer.from([TAG.enumerated, 1, reason])])]),
      ),
    ),
  );
}

export interface ListContent {
  number: number;
  thisUpdate: Date;
  nextUpdate: Date;
  /** Results of `encodeEntries`. */
  entries: readonly Buffer[];
}

/** Signs a complete list of version 2 with CRLNumber and the issuer's key identifier. @returns DER. @throws SigningKeyAway */
export async function signList(
  { number, thisUpdate, nextUpdate, entries }: ListContent,
  issuer: { name: Name; keyIdentifier: Buffer; key: SigningKey },
): Promise<Buffer> {
  const { der } = ALGORITHM[issuer.key.scheme];
  const length = entries.reduce((sum, part) => sum + part.length, 0);
  const body = sequence(
    integer(1),
    der,
    Buffer.from(AsnConvert.serialize(issuer.name)),
    time(wholeSeconds(thisUpdate)),
    time(wholeSeconds(nextUpdate)),
    // §5.1.2.6: absent when there are none.
    ...(length === 0 ? [] : [header(TAG.sequence, length), ...entries]),
    tlv(
      TAG.context(0),
      extensions([AUTHORITY_KEY_OID, sequence(tlv(0x80, issuer.keyIdentifier))], [NUMBER_OID, integer(number)]),
    ),
  );
  return sequence(body, der, bitString(await issuer.key.sign(body)));
}

/** Extensions that are not critical: OID and value, both DER. */
function extensions(...all: [oid: Buffer, value: Buffer][]): Buffer {
  return sequence(...all.map(([oid, value]) => sequence(oid, tlv(TAG.octetString, value))));
}
