import { toTypeId } from '../../domain/ids.ts';
import type { Intent } from '../../domain/types.ts';
import { canonicalJson, sha256Hex } from '../../trust/canonical.ts';

/** What a passkey confirms: this challenge, and this intent to the last member (as it is stored). */
export function stepUpQuestion(executionId: string, intent: Intent): string {
  return `${toTypeId('chl', executionId)} ${sha256Hex(canonicalJson(intent))}`;
}
