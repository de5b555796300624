import { agentUri } from '../../../domain/certificates.ts';
import { toTypeId } from '../../../domain/ids.ts';
import type { Tenant } from '../../../domain/types.ts';
import type { AgentKeyRow } from '../../../store/agent-keys.ts';
import type { Authorities } from '../../../store/certificates/authorities.ts';
import type { AgentRow } from '../../../store/agents.ts';
import type { Db } from '../../../store/pool.ts';
import { JwsRefused, readJws, staleness, type Jws } from '../../../trust/jws.ts';
import { KeyRefused, readJwk } from '../../../trust/public-key.ts';

/** One thing that was looked at: a stable code and a sentence. */
export interface Check {
  code: string;
  ok: boolean;
  detail: string;
}

/** What came of an attestation, check by check; `abuse` is set when it smells of an attack rather than of a mistake. */
export interface Evidence {
  checks: Check[];
  abuse?: { code: string; detail: string };
}

/** What the agent presents, as it came: anything may be missing or of another type. */
export type Attestation = Readonly<Record<string, unknown>>;

/** The agent that is to be proved, and by what. */
export interface Subject {
  db: Db;
  tenant: Tenant;
  agent: AgentRow;
  /** Its keys that may speak now. */
  keys: AgentKeyRow[];
  /** Issuers of this installation. */
  authorities: Authorities;
  /** What a statement for this service is addressed to. */
  audience: string;
  now: Date;
}

/** Thrown inside of one attestation: this check failed, and nothing after it matters. */
export class Failed extends Error {
  readonly check: Check;
  readonly abuse: Evidence['abuse'];
  constructor(code: string, detail: string, abuse?: string) {
    super(detail);
    this.check = { code, ok: false, detail };
    this.abuse = abuse === undefined ? undefined : { code: abuse, detail };
  }
}

export function passed(code: string, detail: string): Check {
  return { code, ok: true, detail };
}

/** Every name that a statement may call the agent by. */
export function namesOf({ id, did, spiffeId }: AgentRow): string[] {
  const names = [id, toTypeId('agt', id), agentUri(id)];
  return [...names, ...(did === null ? [] : [did]), ...(spiffeId === null ? [] : [spiffeId])];
}

/** @throws Failed */
export function parsedJws(token: unknown, member: string): Jws {
  if (typeof token !== 'string') throw new Failed('token_parsed', `attestation.${member} must be a compact JWS`);
  try {
    return readJws(token);
  } catch (error) {
    if (!(error instanceof JwsRefused)) throw error;
    throw new Failed('token_parsed', error.message, error.code === 'malformed' ? undefined : error.code);
  }
}

/** RFC 7519 §4.1.3. @throws Failed when the statement was made for somebody else */
export function checkAudience(aud: unknown, audience: string): Check {
  if (![aud].flat().includes(audience)) {
    throw new Failed('audience', `The token is meant for another audience, not for ${audience}`, 'wrong_audience');
  }
  return passed('audience', `The token is meant for ${audience}`);
}

/** @throws Failed */
export function checkFreshness(claims: Jws['claims'], now: Date): Check {
  const stale = staleness(claims, now);
  if (stale !== undefined) throw new Failed('token_fresh', `The token is not good: ${stale}`);
  return passed('token_fresh', 'The token is good at this time');
}

/**
 * The registered key that a statement carries along (`jwk` of the header, `cnf.jwk` of the claims).
 * @returns `undefined` when it carries none
 * @throws Failed `self_asserted_key`: whoever brings an own key proves that he has that key, and nothing else
 */
export async function carriedKey(jwk: unknown, keys: AgentKeyRow[]): Promise<AgentKeyRow | undefined> {
  if (jwk === undefined) return undefined;
  const thumbprint = await thumbprintOf(jwk);
  const key = keys.find((one) => one.thumbprint === thumbprint);
  if (!key) throw new Failed('self_asserted_key', 'The token brings a key that is not registered for the agent');
  return key;
}

async function thumbprintOf(jwk: unknown): Promise<string | undefined> {
  if (typeof jwk !== 'object' || jwk === null) return undefined;
  try {
    return (await readJwk(jwk as Record<string, unknown>)).thumbprint;
  } catch (error) {
    if (error instanceof KeyRefused) return undefined;
    throw error;
  }
}

/** Whether `name` is what a signer may call this key: its thumbprint, or its id in either form. */
export function isNamed(key: AgentKeyRow, name: string): boolean {
  return name === key.thumbprint || name === key.id || name === toTypeId('key', key.id);
}
