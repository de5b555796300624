import type { JWK } from 'jose';
import { isBase64url } from '../trust/jws.ts';
import { canonicalCard, canonicalCardAsIs } from './agent-card-form.ts';
import { isObject, membersOf, type Members } from './input.ts';
import { verifyFlattened, type JwsFailure } from './jws.ts';
import { keysIn } from './keys.ts';
import { invalid, Misuse, valid, type Verification } from './result.ts';

const ALGORITHMS = ['ES256', 'EdDSA', 'Ed25519', 'RS256'];
/** More is not a card that somebody signed, but work for the verifier. */
const MAX_SIGNATURES = 16;

interface SignatureVerdict {
  kid: string | null;
  alg: string | null;
  valid: boolean;
  /** `valid`, or why not. */
  code: 'valid' | JwsFailure;
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
  if (!isObject(card)) return invalid('malformed', 'the card is not a JSON object');
  const claims = claimsOf(card);
  const { signatures } = card;
  if (signatures === undefined || (Array.isArray(signatures) && signatures.length === 0)) {
    return invalid('unsigned', 'the card carries no signature', claims);
  }
  if (!Array.isArray(signatures) || signatures.length > MAX_SIGNATURES || !signatures.every(isObject)) {
    return invalid('malformed', `signatures must be a list of 1 to ${MAX_SIGNATURES} objects`, claims);
  }
  const forms = formsOf(card);
  if (!forms) return invalid('malformed', 'the card has no canonical form', claims);
  if (keys.length === 0) return invalid('jwks_unavailable', 'no key was given to verify with', claims);

  const verdicts: SignatureVerdict[] = [];
  for (const signature of signatures) verdicts.push(await verifyOne(signature, forms, keys));
  const told = { ...claims, signatures: verdicts };
  const bad = verdicts.find(({ code }) => code === 'invalid_signature' || code === 'malformed');
  if (bad) return invalid(bad.code, 'a signature of the card does not verify', told);
  if (!verdicts.some((verdict) => verdict.valid)) {
    return invalid('unknown_kid', 'no signature of the card is by a key that was given', told);
  }
  return valid(`signed by ${verdicts.find((verdict) => verdict.valid)!.kid}`, told);
}

async function verifyOne(signature: Members, forms: string[], keys: JWK[]): Promise<SignatureVerdict> {
  const { protected: header, signature: value } = signature;
  const nothing = { kid: null, alg: null, valid: false };
  if (typeof header !== 'string' || typeof value !== 'string' || !isBase64url(header) || !isBase64url(value)) {
    return { ...nothing, code: 'malformed' };
  }
  let verdict: SignatureVerdict = { ...nothing, code: 'malformed' };
  for (const form of forms) {
    const payload = Buffer.from(form).toString('base64url');
    const outcome = await verifyFlattened(
      { protected: header, payload, signature: value },
      { keys, algorithms: ALGORITHMS },
    );
    const { kid, alg } = outcome.header ?? {};
    const named = { kid: typeof kid === 'string' ? kid : null, alg: typeof alg === 'string' ? alg : null };
    if (outcome.ok) return { ...named, valid: true, code: 'valid' };
    verdict = { ...named, valid: false, code: outcome.code };
  }
  return verdict;
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
