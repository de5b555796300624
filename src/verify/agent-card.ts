import type { JWK } from 'jose';
import { isBase64url } from '../trust/jws.ts';
import { canonicalCard, canonicalCardAsIs } from './agent-card-form.ts';
import { isObject, membersOf, type Members } from './input.ts';
import { objectIn, verifyFlattened, type JwsFailure } from './jws.ts';
import { keysIn } from './keys.ts';
import { invalid, Misuse, valid, type Verification } from './result.ts';

const ALGORITHMS = ['ES256', 'EdDSA', 'Ed25519', 'RS256'];
/** More is not a card that somebody signed, but work for the verifier. */
const MAX_SIGNATURES = 16;

export interface SignatureVerdict {
  kid: string | null;
  alg: string | null;
  valid: boolean;
  /** `valid`, or why not. */
  code: 'valid' | JwsFailure;
}

/** Keys that may have made a signature, by its protected header; the first under which it verifies has. */
export type CardKeys = (header: Members) => JWK[] | Promise<JWK[]>;

/** A card as it was signed, judged signature by signature. `keys` are those that verified, by position. */
export interface CardSignatures {
  verification: Verification;
  verdicts: SignatureVerdict[];
  keys: (JWK | undefined)[];
}

/**
 * A signed A2A 1.0 Agent Card (§8.4). `{card, jwks?}`; the keys are those that the caller trusts: what a card says about
 * its own keys (`jku`) is not followed. Valid when a trusted key signed it, and no signature that names one fails.
 * Codes: `malformed`, `unsigned`, `jwks_unavailable`, `unknown_kid`, `invalid_signature`.
 * @throws Misuse
 */
export async function verifyAgentCard(input: unknown): Promise<Verification> {
  const { card, jwks } = membersOf(input, ['card']);
  const keys = jwks === undefined ? [] : keysIn(jwks);
  if (!keys) throw new Misuse('"jwks" must be a JWK Set');
  // Two keys with one id could not be told apart.
  const named = ({ kid }: Members) => {
    const found = keys.filter((key) => key.kid !== undefined && key.kid === kid);
    return found.length === 1 ? found : [];
  };
  const { verification } = await verifyCardSignatures(card, named);
  if (keys.length === 0 && verification.code === 'unknown_kid') {
    const { signatures: _, ...claims } = verification.claims;
    return invalid('jwks_unavailable', 'no key was given to verify with', claims);
  }
  return verification;
}

/** The same with keys from wherever the caller finds them. Never throws but for what `keysFor` throws. */
export async function verifyCardSignatures(card: unknown, keysFor: CardKeys): Promise<CardSignatures> {
  const nothing = { verdicts: [], keys: [] };
  if (!isObject(card)) return { verification: invalid('malformed', 'the card is not a JSON object'), ...nothing };
  const claims = claimsOf(card);
  const { signatures } = card;
  if (signatures === undefined || (Array.isArray(signatures) && signatures.length === 0)) {
    return { verification: invalid('unsigned', 'the card carries no signature', claims), ...nothing };
  }
  if (!Array.isArray(signatures) || signatures.length > MAX_SIGNATURES || !signatures.every(isObject)) {
    const why = `signatures must be a list of 1 to ${MAX_SIGNATURES} objects`;
    return { verification: invalid('malformed', why, claims), ...nothing };
  }
  const forms = formsOf(card);
  if (!forms) return { verification: invalid('malformed', 'the card has no canonical form', claims), ...nothing };

  const judged: { verdict: SignatureVerdict; key?: JWK }[] = [];
  for (const signature of signatures) judged.push(await verifyOne(signature, forms, keysFor));
  const verdicts = judged.map(({ verdict }) => verdict);
  return { verification: together(verdicts, claims), verdicts, keys: judged.map(({ key }) => key) };
}

function together(verdicts: SignatureVerdict[], claims: Members): Verification {
  const told = { ...claims, signatures: verdicts };
  const bad = verdicts.find(({ code }) => code === 'invalid_signature' || code === 'malformed');
  if (bad) return invalid(bad.code, 'a signature of the card does not verify', told);
  if (!verdicts.some((verdict) => verdict.valid)) {
    return invalid('unknown_kid', 'no signature of the card is by a key that was given', told);
  }
  return valid(`signed by ${verdicts.find((verdict) => verdict.valid)!.kid}`, told);
}

async function verifyOne(
  signature: Members,
  forms: string[],
  keysFor: CardKeys,
): Promise<{ verdict: SignatureVerdict; key?: JWK }> {
  const { protected: protectedHeader, signature: value } = signature;
  const nothing = { kid: null, alg: null, valid: false };
  const readable = typeof protectedHeader === 'string' && isBase64url(protectedHeader);
  const header = readable ? objectIn(Buffer.from(protectedHeader, 'base64url')) : undefined;
  if (!readable || !header || typeof value !== 'string' || !isBase64url(value)) {
    return { verdict: { ...nothing, code: 'malformed' } };
  }
  const { kid, alg } = header;
  const named = { kid: typeof kid === 'string' ? kid : null, alg: typeof alg === 'string' ? alg : null };
  let code: JwsFailure = 'unknown_kid';
  const candidates = named.kid === null ? [] : await keysFor(header);
  // Without a key the header is judged still: what it says may be wrong whoever signed it.
  for (const candidate of candidates.length > 0 ? candidates : [undefined]) {
    for (const form of forms) {
      const payload = Buffer.from(form).toString('base64url');
      const outcome = await verifyFlattened(
        { protected: protectedHeader, payload, signature: value },
        { keys: candidate ? [{ ...candidate, kid: named.kid! }] : [], algorithms: ALGORITHMS },
      );
      if (outcome.ok) return { verdict: { ...named, valid: true, code: 'valid' }, key: candidate };
      code = outcome.code;
    }
  }
  return { verdict: { ...named, valid: false, code } };
}

/** By the specification; and the card as it stands, since not every signer leaves defaults out. */
function formsOf(card: Members): string[] | undefined {
  try {
    return [...new Set([canonicalCard(card), canonicalCardAsIs(card)])];
  } catch {
    return undefined;
  }
}

function claimsOf({ name, version, supportedInterfaces, url }: Members): Members {
  const urls = Array.isArray(supportedInterfaces)
    ? supportedInterfaces.filter(isObject).map((one) => one['url'])
    : [url].filter((one) => one !== undefined);
  return { name, version, urls };
}
