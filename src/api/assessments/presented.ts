import type { z } from 'zod';
import { intentOf, UncountableMandate } from '../../domain/assessments/intent.ts';
import { isNamed, type Kind } from '../../domain/assessments/kinds.ts';
import { Problem } from '../../domain/errors.ts';
import { isJson } from '../../domain/mandates/shapes.ts';
import type { Intent } from '../../domain/types.ts';
import { canonicalJson, sha256Hex } from '../../trust/canonical.ts';
import { examineMandate, type Examined, type Expectations } from '../../trust/mandates/examine.ts';
import { mandateForm, MandateRefused, type MandateForm } from '../../trust/mandates/form.ts';
import { KeyRefused, readJwk } from '../../trust/public-key.ts';
import { invalidRequest } from '../pipeline/invalid-request.ts';
import type { VerificationBody } from '../mandate-body.ts';

type Mandate = Record<string, unknown>;

/** A mandate of a request, told apart, with the keys that its agent may be known by. */
export interface Presented {
  kind: Kind;
  contentHash: string;
  /** Absent for an action that is no mandate of AP2. */
  form?: MandateForm;
  mandate: Mandate;
  /** The members that may name the agent; not verified. */
  said: Mandate;
  /** Of the key that signed last, or that the mandate is bound to. */
  thumbprint?: string;
}

/** The name of a mandate's content: SHA-256 of its RFC 8785 form. */
export function contentHashOf(mandate: Mandate): string {
  try {
    return sha256Hex(canonicalJson(mandate));
  } catch {
    throw invalidRequest('mandate', 'has no canonical form (RFC 8785)');
  }
}

/**
 * Reads what was presented.
 * @throws Problem `invalid_request` for a type that is not known, `invalid_mandate` naming what the schema misses
 */
export async function readPresented(kind: Kind, mandate: Mandate, mandateType?: string): Promise<Presented> {
  const contentHash = contentHashOf(mandate);
  if (kind !== 'ap2_payment') {
    if (Object.keys(mandate).length === 0) throw invalidMandate([{ path: 'mandate', message: 'is empty' }]);
    const thumbprint = await boundKey(mandate);
    return { kind, contentHash, mandate, said: mandate, ...(thumbprint === undefined ? {} : { thumbprint }) };
  }
  const form = refusing(() => mandateForm(mandate, mandateType));
  const type = form.form === 'legacy' ? undefined : form.vct;
  if (mandateType !== undefined && type !== undefined && !isNamed(mandateType, type)) {
    throw invalidRequest('mandateType', `is not what the mandate says of itself: ${type}`);
  }
  const said = form.form === 'token' ? form.leaf : form.mandate;
  const thumbprint = form.form === 'token' ? await signerOf(form) : await boundKey(said);
  return { kind, contentHash, form, mandate, said, ...(thumbprint === undefined ? {} : { thumbprint }) };
}

/** Verifies a presented mandate, or takes an action as it says. @throws Problem `invalid_mandate` */
export async function examinePresented(
  presented: Presented,
  verification: z.output<typeof VerificationBody> | undefined,
  registeredKeys: readonly Record<string, unknown>[],
  now: Date,
): Promise<Examined & { intent: Intent }> {
  const { kind, form, mandate } = presented;
  const examined = await examined_(form, mandate, kind, expectationsOf(form, verification, registeredKeys), now);
  try {
    return { ...examined, intent: intentOf(kind, examined.type, examined.claims, examined.checkout) };
  } catch (error) {
    if (!(error instanceof UncountableMandate)) throw error;
    throw invalidMandate([{ path: `mandate.${error.path}`, message: error.message }]);
  }
}

async function examined_(
  form: MandateForm | undefined,
  mandate: Mandate,
  kind: Kind,
  expected: Expectations,
  now: Date,
): Promise<Examined> {
  if (form === undefined) {
    return { type: kind, claims: mandate, signed: false, failures: [], charges: [], opens: [] };
  }
  try {
    return await examineMandate(form, expected, Math.floor(now.getTime() / 1000));
  } catch (error) {
    if (error instanceof MandateRefused) throw invalidMandate(error.fields);
    throw error;
  }
}

/** A token of one hop may have been signed by the agent itself: then by one of its registered keys. */
function expectationsOf(
  form: MandateForm | undefined,
  verification: z.output<typeof VerificationBody> | undefined,
  registeredKeys: readonly Record<string, unknown>[],
): Expectations {
  const own =
    form?.form === 'token' && form.soleKid !== undefined
      ? registeredKeys.map((jwk) => ({ ...jwk, kid: form.soleKid }))
      : [];
  const { keys = [], ...rest } = verification ?? {};
  return { ...rest, keys: [...keys, ...own] };
}

async function signerOf(form: Extract<MandateForm, { form: 'token' }>): Promise<string | undefined> {
  return form.agentJwk === undefined ? form.soleKid : thumbprintOf(form.agentJwk);
}

/** The key that a plain mandate says its agent has (RFC 7800): as a JWK, by thumbprint, or by `kid`. */
async function boundKey(mandate: Mandate): Promise<string | undefined> {
  const { cnf, kid } = mandate;
  if (isJson(cnf)) {
    if (isJson(cnf['jwk'])) return thumbprintOf(cnf['jwk']);
    for (const name of ['jkt', 'kid']) if (typeof cnf[name] === 'string') return cnf[name];
  }
  return typeof kid === 'string' ? kid : undefined;
}

/** A key that cannot be read is nobody's. */
async function thumbprintOf(jwk: Record<string, unknown>): Promise<string> {
  try {
    return (await readJwk(jwk)).thumbprint;
  } catch (error) {
    if (error instanceof KeyRefused) return 'unreadable';
    throw error;
  }
}

function refusing<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof MandateRefused)) throw error;
    if (error.kind === 'malformed') throw invalidMandate(error.fields);
    const [first] = error.fields;
    throw invalidRequest(first!.path, first!.message);
  }
}

function invalidMandate(fields: { path: string; message: string }[]): Problem {
  const { path, message } = fields[0]!;
  return new Problem('invalid_mandate', `The mandate is not valid: ${path} ${message}.`, { fields });
}
