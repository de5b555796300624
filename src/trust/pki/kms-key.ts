import { createHash, createPublicKey } from 'node:crypto';
import type { KMSClient } from '@aws-sdk/client-kms';
import { ALGORITHM, schemeOf, SigningKeyAway, type SignatureScheme, type SigningKey } from './signing-key.ts';

/** Names of the schemes in KMS: SigningAlgorithmSpec. */
const SPEC = {
  'ecdsa-sha256': 'ECDSA_SHA_256',
  'ecdsa-sha384': 'ECDSA_SHA_384',
  'rsa-sha256': 'RSASSA_PKCS1_V1_5_SHA_256',
} as const satisfies Record<SignatureScheme, string>;

const ARN = /^arn:[\w-]+:kms:([\w-]+):\d{12}:key\/[\w-]+$/;
/** Bounds of one call: whoever waits for a certificate waits for it inside of a transaction. */
const TIMEOUTS = { connectionTimeout: 1_000, requestTimeout: 2_000 };

/**
 * A key in AWS KMS with the usage SIGN_VERIFY. Credentials and, in tests, the endpoint (`AWS_ENDPOINT_URL_KMS`) are
 * found by the client of AWS in its own way. The content is hashed here: KMS takes at most 4096 bytes.
 * @param arn of the key, not of an alias: what signed must be told afterwards
 * @throws SigningKeyAway
 */
export async function openKmsKey(arn: string): Promise<SigningKey> {
  const region = ARN.exec(arn)?.[1];
  if (region === undefined) throw new SigningKeyAway(`${arn} is not the ARN of a KMS key`);
  // Only who uses it pays for loading it.
  const { KMSClient, GetPublicKeyCommand, SignCommand } = await import('@aws-sdk/client-kms');
  const client: KMSClient = new KMSClient({ region, maxAttempts: 2, requestHandler: TIMEOUTS });
  const told = await orAway(client.send(new GetPublicKeyCommand({ KeyId: arn })));
  if (told.KeyUsage !== 'SIGN_VERIFY' || !told.PublicKey) throw new SigningKeyAway('The KMS key is not for signatures');
  const key = createPublicKey({ key: Buffer.from(told.PublicKey), format: 'der', type: 'spki' });
  const scheme = schemeOf(key);
  return {
    ref: told.KeyId ?? arn,
    publicKey: key.export({ type: 'spki', format: 'der' }),
    scheme,
    async sign(content) {
      const Message = createHash(ALGORITHM[scheme].hash).update(content).digest();
      const { Signature } = await orAway(
        client.send(new SignCommand({ KeyId: arn, Message, MessageType: 'DIGEST', SigningAlgorithm: SPEC[scheme] })),
      );
      if (!Signature) throw new SigningKeyAway('AWS KMS answered without a signature');
      return Buffer.from(Signature);
    },
  };
}

async function orAway<T>(call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (error) {
    throw new SigningKeyAway(`AWS KMS does not sign: ${(error as Error).name}`, { cause: error });
  }
}
