import { createHash } from 'node:crypto';
import { parseDictionary } from 'structured-headers';

/** RFC 9530 §5: the algorithms that are neither obsolete nor broken. */
const HASHES: Readonly<Record<string, string>> = { 'sha-256': 'sha256', 'sha-512': 'sha512' };

/**
 * Whether `Content-Digest` (RFC 9530 §2) is of this body. All digests that we can compute must agree, and there must
 * be one.
 */
export function digestAgrees(header: string, body: Buffer): boolean {
  try {
    const known = [...parseDictionary(header)].filter(([name]) => Object.hasOwn(HASHES, name));
    return (
      known.length > 0 &&
      known.every(([name, [value]]) => {
        const digest = createHash(HASHES[name]!).update(body).digest();
        return value instanceof ArrayBuffer && digest.equals(Buffer.from(value));
      })
    );
  } catch {
    return false;
  }
}
