/** Why an SD-JWT, or a JWS inside it, is refused. */
export type SdJwtFailureCode =
  'malformed' | 'alg_not_allowed' | 'unknown_key' | 'invalid_key' | 'invalid_signature' | 'invalid_disclosure';

/** A refusal with a stable code; the message is one sentence that never repeats token material. */
export class SdJwtFailure extends Error {
  readonly code: SdJwtFailureCode;

  constructor(code: SdJwtFailureCode, message: string) {
    super(message);
    this.name = 'SdJwtFailure';
    this.code = code;
  }
}
