import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import type { Payload, PayloadCodec } from '@temporalio/common';

const ENCODING = 'binary/encrypted';
const text = (value: string) => new TextEncoder().encode(value);

/**
 * Encrypts Temporal payloads: AES-256-GCM over the payload in its JSON form, with the id of the key in the metadata, so
 * that keys can be exchanged: the present one encrypts, previous ones decrypt what names them. Search attributes are
 * never encrypted and hold nothing private.
 */
export class AesPayloadCodec implements PayloadCodec {
  readonly #key: Buffer;
  readonly #keyId: string;
  /** By id, the present one among them. */
  readonly #keys: Map<string, Buffer>;

  /**
   * @param keyBase64 32 bytes, base64
   * @param previous keys that only decrypt, of the same form
   */
  constructor(keyBase64: string, previous: readonly string[] = []) {
    const keys = [keyBase64, ...previous].map(keyOf);
    this.#keys = new Map(keys.map((key) => [idOf(key), key]));
    this.#key = keys[0]!;
    this.#keyId = idOf(this.#key);
  }

  async encode(payloads: Payload[]): Promise<Payload[]> {
    return payloads.map((payload) => {
      const nonce = randomBytes(12);
      const cipher = createCipheriv('aes-256-gcm', this.#key, nonce);
      const body = Buffer.concat([cipher.update(serialize(payload)), cipher.final()]);
      return {
        metadata: { encoding: text(ENCODING), 'encryption-key-id': text(this.#keyId) },
        data: new Uint8Array(Buffer.concat([nonce, cipher.getAuthTag(), body])),
      };
    });
  }

  async decode(payloads: Payload[]): Promise<Payload[]> {
    return payloads.map((payload) => {
      const encoding = payload.metadata?.['encoding'];
      if (!encoding || Buffer.from(encoding).toString() !== ENCODING || !payload.data) return payload;
      const bytes = Buffer.from(payload.data);
      const named = payload.metadata?.['encryption-key-id'];
      const keyId = named ? Buffer.from(named).toString() : this.#keyId;
      const key = this.#keys.get(keyId);
      if (!key)
        throw new Error(`the payload was encrypted with another key, ${keyId}: PROKURA_PAYLOAD_KEY_PREVIOUS lacks it`);
      const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, 12));
      decipher.setAuthTag(bytes.subarray(12, 28));
      return deserialize(Buffer.concat([decipher.update(bytes.subarray(28)), decipher.final()]));
    });
  }
}

function keyOf(base64: string): Buffer {
  const key = Buffer.from(base64, 'base64');
  if (key.length !== 32) throw new Error('the payload key must be 32 bytes, base64');
  return key;
}

function idOf(key: Buffer): string {
  return createHash('sha256').update(key).digest('hex').slice(0, 16);
}

/** A payload as JSON with base64 members: the form that codec servers exchange, too. */
export interface JsonPayload {
  metadata?: Record<string, string>;
  data?: string;
}

export function payloadToJson({ metadata, data }: Payload): JsonPayload {
  const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64');
  return {
    metadata: Object.fromEntries(Object.entries(metadata ?? {}).map(([name, bytes]) => [name, base64(bytes)])),
    ...(data ? { data: base64(data) } : {}),
  };
}

export function payloadFromJson({ metadata, data }: JsonPayload): Payload {
  const bytes = (base64: string) => new Uint8Array(Buffer.from(base64, 'base64'));
  return {
    metadata: Object.fromEntries(Object.entries(metadata ?? {}).map(([name, value]) => [name, bytes(value)])),
    ...(data === undefined ? {} : { data: bytes(data) }),
  };
}

function serialize(payload: Payload): Buffer {
  return Buffer.from(JSON.stringify(payloadToJson(payload)));
}

function deserialize(bytes: Buffer): Payload {
  return payloadFromJson(JSON.parse(bytes.toString('utf8')) as JsonPayload);
}
