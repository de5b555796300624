import { instantOf, membersOf, nowOf, objectMember, textMember, type Members } from './input.ts';
import { objectIn, verifyCompact } from './jws.ts';
import { keysIn } from './keys.ts';
import { invalid, valid, type Verification } from './result.ts';
import { sameJson } from './same-json.ts';

const DECISIONS = ['approve', 'review', 'deny'];

/**
 * A signed verdict (Risk Payload): compact JWS, EdDSA. Its bytes are verified as they came; neither their JCS order nor
 * `typ` is demanded. `{jws, jwks, now?, issuer?, expected?}`; `issuer` equals the claim or its part before `#`.
 * Codes: `malformed`, `jwks_unavailable`, `unknown_kid`, `invalid_signature`, `wrong_issuer`, `expired`,
 * `payload_mismatch`.
 * @throws Misuse
 */
export async function verifyVerdict(input: unknown): Promise<Verification> {
  const members = membersOf(input, ['jws', 'jwks']);
  const [now, issuer, expected] = [nowOf(members), textMember(members, 'issuer'), objectMember(members, 'expected')];
  const keys = keysIn(members['jwks']);
  if (!keys?.length) return invalid('jwks_unavailable', 'the key set has no keys');
  const outcome = await verifyCompact(members['jws'], { keys, algorithms: ['EdDSA', 'Ed25519'] });
  if (!outcome.ok) return invalid(outcome.code, `the verdict does not verify: ${outcome.detail}`);
  const claims = objectIn(outcome.payload);
  const flaw = claims ? flawOf(claims) : 'its payload is not a JSON object';
  if (!claims || flaw) return invalid('malformed', `the verdict is malformed: ${flaw}`, claims);
  if (issuer !== undefined && claims['issuer'] !== issuer && (claims['issuer'] as string).split('#')[0] !== issuer) {
    return invalid('wrong_issuer', `the verdict is by ${JSON.stringify(claims['issuer'])}`, claims);
  }
  const { exp } = claims;
  if (exp !== undefined && instantOf(exp)! <= now) return invalid('expired', 'the verdict has expired', claims);
  const different = Object.keys(expected ?? {}).find((name) => !sameJson(claims[name], expected![name]));
  if (different !== undefined) {
    return invalid('payload_mismatch', `${JSON.stringify(different)} is not what was expected`, claims);
  }
  return valid(`${String(claims['decision'])} for ${String(claims['subject'])}`, claims);
}

function flawOf({ issuer, subject, decision, score, model_version, assessed_at, exp }: Members): string | undefined {
  for (const [name, value] of Object.entries({ issuer, subject, model_version })) {
    if (typeof value !== 'string' || value === '') return `${name} is missing`;
  }
  if (!DECISIONS.includes(decision as string)) return 'decision is none of approve, review, deny';
  if (typeof score !== 'number' || score < 0 || score > 100) return 'score is not between 0 and 100';
  if (!instantOf(assessed_at)) return 'assessed_at is not a time';
  if (exp !== undefined && !instantOf(exp)) return 'exp is not a time';
  return undefined;
}
