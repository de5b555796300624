import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';
import { parseId, toTypeId } from '../domain/ids.ts';

/**
 * Execution tokens: `exec_<id>.<mac>`. The MAC is derived from the execution's id, so that the token is never stored,
 * every repeat of an answer carries the same one, and a forged one is refused before anything is asked. That it is
 * used once is a column of the execution.
 */
export interface ExecutionTokens {
  issue(executionId: string): string;
  /** The execution that a token is for; `undefined` when it was not issued here. */
  read(token: string): string | undefined;
}

/** @param dataKey 32 bytes, base64; the MAC key is derived from it (RFC 5869), never the key itself */
export function createExecutionTokens(dataKey: string): ExecutionTokens {
  const key = Buffer.from(hkdfSync('sha256', Buffer.from(dataKey, 'base64'), '', 'prokura execution token v1', 32));
  const macOf = (executionId: string) => createHmac('sha256', key).update(executionId).digest();
  return {
    issue: (executionId) => `${toTypeId('exec', executionId)}.${macOf(executionId).toString('base64url')}`,
    read(token) {
      const [ref, mac, ...rest] = token.split('.');
      if (ref === undefined || mac === undefined || rest.length > 0) return undefined;
      const executionId = parseId(ref, 'exec');
      if (executionId === undefined) return undefined;
      const given = Buffer.from(mac, 'base64url');
      const expected = macOf(executionId);
      return given.length === expected.length && timingSafeEqual(given, expected) ? executionId : undefined;
    },
  };
}
