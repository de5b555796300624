import { createHash, generateKeyPairSync, randomBytes, sign } from 'node:crypto';

const sha256 = (data: string | Buffer) => createHash('sha256').update(data).digest();
const text = (bytes: Buffer) => bytes.toString('base64url');

/** The little of CBOR (RFC 8949) that an authenticator says: small integers, byte strings, texts, maps. */
function cbor(value: number | Buffer | string | Map<unknown, unknown>): Buffer {
  const head = (major: number, n: number) =>
    n < 24
      ? Buffer.from([(major << 5) | n])
      : n < 256
        ? Buffer.from([(major << 5) | 24, n])
        : Buffer.from([(major << 5) | 25, n >> 8, n & 255]);
  if (typeof value === 'number') return value < 0 ? head(1, -1 - value) : head(0, value);
  if (typeof value === 'string') return Buffer.concat([head(3, Buffer.byteLength(value)), Buffer.from(value)]);
  if (Buffer.isBuffer(value)) return Buffer.concat([head(2, value.length), value]);
  const entries = [...value].flatMap(([key, one]) => [cbor(key as string), cbor(one as string)]);
  return Buffer.concat([head(5, value.size), ...entries]);
}

export interface Signing {
  /** Whether its user was verified (PIN, finger, face); there is always somebody who touches it. */
  verified?: boolean;
  origin?: string;
  rpId?: string;
}

/** A security key in software (WebAuthn Level 3 §6): ES256, counts its signatures. */
export function createAuthenticator(origin: string, rpId: string) {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const { x, y } = publicKey.export({ format: 'jwk' });
  const id = randomBytes(16);
  let counter = 0;
  const data = (flags: number, { rpId: domain = rpId }: Signing, more = Buffer.alloc(0)) => {
    const count = Buffer.alloc(4);
    count.writeUInt32BE(counter);
    return Buffer.concat([sha256(domain), Buffer.from([flags]), count, more]);
  };
  const client = (type: string, challenge: string, signing: Signing) =>
    Buffer.from(JSON.stringify({ type, challenge, origin: signing.origin ?? origin, crossOrigin: false }));
  const [PRESENT, VERIFIED, HAS_KEY] = [0x01, 0x04, 0x40];
  const flagsOf = ({ verified = true }: Signing) => PRESENT | (verified ? VERIFIED : 0);

  return {
    id: text(id),
    /** Forgets what it has signed, as a copy does. */
    rewind: () => void (counter = 0),
    create({ challenge }: { challenge: string }, signing: Signing = {}) {
      const key = cbor(
        new Map<number, number | Buffer>([
          [1, 2],
          [3, -7],
          [-1, 1],
          [-2, Buffer.from(x!, 'base64url')],
          [-3, Buffer.from(y!, 'base64url')],
        ]),
      );
      const credential = Buffer.concat([Buffer.alloc(16), Buffer.from([0, id.length]), id, key]);
      const authData = data(flagsOf(signing) | HAS_KEY, signing, credential);
      const attestation = new Map<string, unknown>([
        ['fmt', 'none'],
        ['attStmt', new Map()],
        ['authData', authData],
      ]);
      return {
        id: text(id),
        rawId: text(id),
        type: 'public-key',
        clientExtensionResults: {},
        response: {
          clientDataJSON: text(client('webauthn.create', challenge, signing)),
          attestationObject: text(cbor(attestation)),
          transports: ['internal'],
        },
      };
    },
    get({ challenge }: { challenge: string }, signing: Signing = {}) {
      counter++;
      const authenticatorData = data(flagsOf(signing), signing);
      const clientDataJSON = client('webauthn.get', challenge, signing);
      return {
        id: text(id),
        rawId: text(id),
        type: 'public-key',
        clientExtensionResults: {},
        response: {
          authenticatorData: text(authenticatorData),
          clientDataJSON: text(clientDataJSON),
          signature: text(sign('sha256', Buffer.concat([authenticatorData, sha256(clientDataJSON)]), privateKey)),
        },
      };
    },
  };
}
