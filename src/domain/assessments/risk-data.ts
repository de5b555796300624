import { LEGACY_TYPES, TOKEN_KEYS } from '../mandates/names.ts';
import { isJson } from '../mandates/shapes.ts';
import type { Json } from '../mandates/types.ts';
import type { AssessmentRecord } from './outcome.ts';

/** Members by which something in an object is signed as it stands. */
const SIGNED_BY = /^(?:proof|signatures?|jws|jwt|.*_authorization)$/;
const CONTAINERS: readonly string[] = [...Object.values(LEGACY_TYPES), ...Object.values(TOKEN_KEYS)];

/** The verdict as it travels with a mandate; of its members `vc_jws` alone is to be believed. */
export function riskDataOf(record: Pick<AssessmentRecord, 'decision' | 'score' | 'riskPayloadJws' | 'kid'>): Json {
  const { decision, score, riskPayloadJws: vc_jws, kid } = record;
  return { fidacy: { decision, score, vc_jws, signing_key_id: kid } };
}

/**
 * The caller's mandate with `risk_data` in it. Inside a container of A2A it is the sibling of what is signed; a bare
 * mandate that carries a signature, or is a token, stays as it is.
 * @returns `injected: false` when the risk data has to travel beside it
 */
export function withRiskData(mandate: Json, riskData: Json): { mandate: Json; injected: boolean } {
  const contained = Object.keys(mandate).some((name) => CONTAINERS.includes(name));
  const signed = Object.keys(mandate).some(
    (name) => name === 'token' || (SIGNED_BY.test(name) && mandate[name] !== null && mandate[name] !== undefined),
  );
  if (!contained && signed) return { mandate, injected: false };
  const before = isJson(mandate['risk_data']) ? mandate['risk_data'] : {};
  return { mandate: { ...mandate, risk_data: { ...before, ...riskData } }, injected: true };
}
