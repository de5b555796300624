import type { Charge } from '../../domain/mandates/types.ts';
import { SdJwtFailure, type SdJwtFailureCode } from '../sd-jwt/failure.ts';
import type { JsonObject } from '../sd-jwt/encoding.ts';

/** What can be wrong with a mandate or a receipt, beside single constraints. `docs/mandates.md` lists exactly these. */
export const MANDATE_CODES = [
  'malformed',
  'alg_not_allowed',
  'unknown_key',
  'invalid_key',
  'invalid_signature',
  'invalid_disclosure',
  'broken_chain',
  'sd_hash_mismatch',
  'unexpected_kind',
  'not_closed',
  'undisclosed',
  'not_yet_valid',
  'expired',
  'wrong_audience',
  'wrong_nonce',
  'preset_changed',
  'unknown_constraint',
  'already_used',
  'binding_missing',
  'binding_mismatch',
  'unsigned',
] as const;

/** `constraint_violated:payment.budget` and the like name the constraint. */
export type MandateCode =
  (typeof MANDATE_CODES)[number] | `constraint_violated:${string}` | `constraint_missing:${string}`;

/** One thing that was looked at. `code` is what its failure is called, whether or not it failed. */
export interface Check {
  readonly code: MandateCode;
  readonly ok: boolean;
  /** One sentence, without key or token material. */
  readonly detail: string;
  /** Index of the hop it is about, root 0. */
  readonly hop?: number;
}

/** What a hop of the chain says. */
export interface HopSummary {
  /** `vct` of the mandate it carries; absent for a credential that only names the next key. */
  readonly vct?: string;
  readonly typ?: string;
  readonly alg: string;
  readonly kid?: string;
  readonly claims: JsonObject;
  readonly sd_hash: string;
  readonly jwt_hash: string;
  /**
   * Name under which usage of an open mandate is kept: SHA-256 of what its signature covers, base64url. Not of the
   * token, since disclosures may be left out and an ECDSA signature has a twin: both would look like a fresh mandate.
   */
  readonly mandate_key: string;
}

export interface MandateVerdict {
  readonly valid: boolean;
  /** `ok`, or the code of the first check that failed. */
  readonly code: MandateCode | 'ok';
  readonly detail: string;
  /** The mandate that was presented, all members included; absent when nothing could be read. */
  readonly claims?: JsonObject;
  readonly checks: readonly Check[];
  readonly chain: readonly HopSummary[];
  /** What approving it uses up, by open mandate. Empty unless the mandate is a closed payment. */
  readonly charges: readonly (Charge & { readonly mandate_key: string })[];
  /** What was not looked at, because the caller gave nothing to compare with. */
  readonly not_checked: readonly string[];
}

/** Ends a verification that cannot go on. The check that failed is on the list already. */
export class Refused extends Error {}

/** The checks of one verification, in the order in which they were made. */
export class Checklist {
  readonly #checks: Check[] = [];
  readonly #notChecked = new Set<string>();

  /** Notes how it came out and goes on. */
  note(ok: boolean, code: MandateCode, detail: string, hop?: number): boolean {
    this.#checks.push({ code, ok, detail, ...(hop === undefined ? {} : { hop }) });
    return ok;
  }

  /** @throws Refused when it failed: what follows would have nothing to stand on */
  must(ok: boolean, code: MandateCode, detail: string, hop?: number): asserts ok {
    if (!this.note(ok, code, detail, hop)) throw new Refused(detail);
  }

  /**
   * Runs what throws `SdJwtFailure`, and notes it.
   * @throws Refused
   */
  attempt<T>(code: SdJwtFailureCode, detail: string, run: () => T, hop?: number): T {
    try {
      const value = run();
      this.note(true, code, detail, hop);
      return value;
    } catch (error) {
      if (!(error instanceof SdJwtFailure)) throw error;
      this.note(false, error.code, error.message, hop);
      throw new Refused(error.message, { cause: error });
    }
  }

  notChecked(what: string): void {
    this.#notChecked.add(what);
  }

  verdict(found: Partial<Pick<MandateVerdict, 'claims' | 'chain' | 'charges'>>): MandateVerdict {
    const failed = this.#checks.find(({ ok }) => !ok);
    const valid = failed === undefined && this.#checks.length > 0;
    return {
      valid,
      code: valid ? 'ok' : (failed?.code ?? 'malformed'),
      detail: valid ? 'every check passed' : (failed?.detail ?? 'nothing was checked'),
      ...(found.claims === undefined ? {} : { claims: found.claims }),
      checks: this.#checks,
      chain: found.chain ?? [],
      charges: valid ? (found.charges ?? []) : [],
      not_checked: [...this.#notChecked],
    };
  }
}
