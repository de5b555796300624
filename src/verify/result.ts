/** What a verification found. `code` is stable: decide by it; `detail` is one sentence for a person. */
export interface Verification {
  valid: boolean;
  /** `valid`, or what is wrong. */
  code: string;
  detail: string;
  /** What the thing says; of an invalid one only what could be read, and nothing of it is vouched for. */
  claims: Record<string, unknown>;
}

export function valid(detail: string, claims: Record<string, unknown> = {}): Verification {
  return { valid: true, code: 'valid', detail, claims };
}

export function invalid(code: string, detail: string, claims: Record<string, unknown> = {}): Verification {
  return { valid: false, code, detail, claims };
}

/** The question itself cannot be asked: a member is missing, or is not what it must be. Never about what is verified. */
export class Misuse extends Error {
  override readonly name = 'Misuse';
}
