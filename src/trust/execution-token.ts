import { createHash, createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';
import { parseId, toTypeId } from '../domain/ids.ts';

/**
 * Execution tokens: `exec_<id>.<mac>`. The MAC is derived from the execution's id, so that the token is never stored,
 * every repeat of an answer carries the same one, and a forged one is refused before anything is asked. That it is
 * used once is a column of the execution.
 */
export interface ExecutionTokens {
  /** Names the key that new tokens are made with; kept with an approval, so that a repeat finds the key again. */
  readonly keyId: string;
  /** @param keyId of the key that made it first; the present one makes it when that is not known (any more) */
  issue(executionId: string, keyId?: string): string;
  /** The execution that a token is for; `undefined` when it was not issued here. */
  read(token: string): string | undefined;
}

/**
 * @param dataKey 32 bytes, base64; the MAC key is derived from it (RFC 5869), never the key itself
 * @param previous data keys whose tokens are good as well
 */
export function createExecutionTokens(dataKey: string, previous: readonly string[] = []): ExecutionTokens {
  const keys = [dataKey, ...previous].map(derived);
  const [present] = keys;
  const macOf = ({ key }: { key: Buffer }, executionId: string) =>
    createHmac('sha256', key).update(executionId).digest();
  return {
    keyId: present!.id,
    issue(executionId, keyId) {
      const key = keys.find(({ id }) => id === keyId) ?? present!;
      return `${toTypeId('exec', executionId)}.${macOf(key, executionId).toString('base64url')}`;
    },
    read(token) {
      const [ref, mac, ...rest] = token.split('.');
      if (ref === undefined || mac === undefined || rest.length > 0) return undefined;
      const executionId = parseId(ref, 'exec');
      if (executionId === undefined) return undefined;
      const given = Buffer.from(mac, 'base64url');
      const isMade = (expected: Buffer) => given.length === expected.length && timingSafeEqual(given, expected);
      return keys.some((key) => isMade(macOf(key, executionId))) ? executionId : undefined;
    },
  };
}

function derived(dataKey: string): { id: string; key: Buffer } {
  const key = Buffer.from(hkdfSync('sha256', Buffer.from(dataKey, 'base64'), '', 'prokura execution token v1', 32));
  return { id: createHash('sha256').update(key).digest('base64url').slice(0, 8), key };
}
