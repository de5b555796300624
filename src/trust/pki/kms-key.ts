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
/** Octets that KMS takes and hashes itself, so that its log is of the very certificate; of lists it gets the hash. */
const LONGEST = 4_096;
/** Bound of one call, repeats included: whoever waits for a certificate waits for it inside of a transaction. */
const WITHIN_MS = 3_000;

/**
 * A key in AWS KMS with the usage SIGN_VERIFY. Credentials and, in tests, the endpoint (`AWS_ENDPOINT_URL_KMS`) are
 * found by the client of AWS in its own way.
 * @param arn of the key, not of an alias: what signed must be told afterwards
 * @throws SigningKeyAway
 */
export async function openKmsKey(arn: string): Promise<SigningKey> {
  const region = ARN.exec(arn)?.[1];
  if (region === undefined) throw new SigningKeyAway(`${arn} is not the ARN of a KMS key`);
  // Only who uses it pays for loading it.
  const { KMSClient, GetPublicKeyCommand, SignCommand } = await import('@aws-sdk/client-kms');
  const client: KMSClient = new KMSClient({ region, maxAttempts: 2 });
  const told = await orAway(client.send(new GetPublicKeyCommand({ KeyId: arn }), bound()));
  if (told.KeyUsage !== 'SIGN_VERIFY' || !told.PublicKey) throw new SigningKeyAway('The KMS key is not for signatures');
  const key = createPublicKey({ key: Buffer.from(told.PublicKey), format: 'der', type: 'spki' });
  const scheme = schemeOf(key);
  return {
    ref: arn,
    publicKey: key.export({ type: 'spki', format: 'der' }),
    scheme,
    async sign(content) {
      const isShort = content.length <= LONGEST;
      const digest = () => createHash(ALGORITHM[scheme].hash).update(content).digest();
      const { Signature } = await orAway(
        client.send(
          new SignCommand({
            KeyId: arn,
            Message: isShort ? content : digest(),
            MessageType: isShort ? 'RAW' : 'DIGEST',
            SigningAlgorithm: SPEC[scheme],
          }),
          bound(),
        ),
      );
      if (!Signature) throw new SigningKeyAway('AWS KMS answered without a signature');
      return Buffer.from(Signature);
    },
  };
}

const bound = () => ({ abortSignal: AbortSignal.timeout(WITHIN_MS) });

async function orAway<T>(call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (error) {
    throw new SigningKeyAway(`AWS KMS does not sign: ${(error as Error).name}`, { cause: error });
  }
}
