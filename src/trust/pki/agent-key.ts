import { generateKeyPair, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import type { CertifiedKey } from '../../domain/certificates.ts';

const generate = promisify(generateKeyPair) as unknown as (
  type: string,
  options?: object,
) => Promise<{ publicKey: KeyObject; privateKey: KeyObject }>;

const MAKE: Record<CertifiedKey, () => ReturnType<typeof generate>> = {
  'rsa-2048': () => generate('rsa', { modulusLength: 2048, publicExponent: 65_537 }),
  'p-256': () => generate('ec', { namedCurve: 'P-256' }),
  ed25519: () => generate('ed25519', {}),
};

/** A fresh pair, made outside of the event loop. `publicKey`: SubjectPublicKeyInfo, DER; `privateKey`: PKCS #8, PEM. */
export async function newAgentKey(kind: CertifiedKey): Promise<{ publicKey: Buffer; privateKey: string }> {
  const { publicKey, privateKey } = await MAKE[kind]();
  return {
    publicKey: publicKey.export({ type: 'spki', format: 'der' }),
    privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
  };
}

/** A fresh key of an authority, PKCS #8 in PEM: P-384 for the root, P-256 for what signs every day. */
export async function newAuthorityKey(namedCurve: 'P-384' | 'P-256'): Promise<string> {
  const { privateKey } = await generate('ec', { namedCurve });
  return privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
}
