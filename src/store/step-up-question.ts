import { toTypeId } from '../domain/ids.ts';
import type { Intent } from '../domain/types.ts';
import { canonicalJson, sha256Hex } from '../trust/canonical.ts';

/**
 * What a passkey confirms: this challenge, and this intent to the last member (as it is stored).
 * @param subjectId the execution, or the operation of the refund, that waits
 */
export function stepUpQuestion(subjectId: string, intent: Intent): string {
  return `${toTypeId('chl', subjectId)} ${sha256Hex(canonicalJson(intent))}`;
}
