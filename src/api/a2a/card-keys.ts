import type { JWK } from 'jose';
import { parseId } from '../../domain/ids.ts';
import type { Tenant } from '../../domain/types.ts';
import {
  findPresentedKey,
  isLive,
  listAgentKeys,
  type AgentKeyRow,
  type PresentedKey,
} from '../../store/agent-keys.ts';
import type { Db } from '../../store/pool.ts';
import { KeyRefused, readJwk } from '../../trust/public-key.ts';
import { trustedIssuerOf, type TrustedIssuer } from '../../trust/trust-list.ts';
import type { CardKeys } from '../../verify/agent-card.ts';
import { fetchJson, FetchRefused } from '../fetch-json.ts';

const MAX_JWKS_BYTES = 65_536;
const MAX_KEYS = 50;
/** A card names one place of keys; more would make us ask around for a stranger. */
const MAX_FETCHES = 2;

interface KeySources {
  db: Db;
  tenant: Tenant;
  /** Only this agent's registered keys count. */
  agentId?: string;
  /** What the caller gave beside the card. */
  jwks: Record<string, unknown>[];
  trustedIssuers: readonly TrustedIssuer[];
  allowPrivate: boolean;
  now: Date;
}

/** Where the keys of a card are looked for, and what a key is worth once it has verified. */
export interface CardKeyring {
  keysFor: CardKeys;
  /** Who stands behind a key: a registered agent or an issuer of the trust list; `undefined`: nobody we know. */
  trustOf(jwk: JWK): Promise<string | undefined>;
  /** What happened to the addresses that the card named for its keys. */
  fetches: { jku: string; ok: boolean; detail: string }[];
}

/**
 * Keys by the protected header of a signature: those given, registered ones, those of trusted issuers; and only when
 * none of these has the name, the set at the header's `jku`. Where a key came from makes nobody trusted.
 */
export function cardKeyring(sources: KeySources): CardKeyring {
  const { db, tenant, agentId, now } = sources;
  const fetches: CardKeyring['fetches'] = [];
  const sets = new Map<string, Record<string, unknown>[]>();

  async function registered(kid: string): Promise<JWK[]> {
    if (agentId !== undefined) {
      const keys = (await listAgentKeys(db, tenant, agentId)).filter((key) => isLive(key, now));
      const named = keys.filter((key) => isCalled(key, kid));
      // A card may call its key otherwise than we do; the agent's few keys are tried then.
      return (named.length > 0 ? named : keys.slice(0, MAX_KEYS)).map(({ jwk }) => jwk);
    }
    const id = parseId(kid, 'key');
    // Neither an id nor a thumbprint (SHA-256, base64url): no registered key is called so.
    if (id === undefined && !/^[\w-]{43}$/.test(kid)) return [];
    const key = await findPresentedKey(db, tenant, id === undefined ? { thumbprint: kid } : { id });
    return key && speaks(key, now) ? [key.jwk] : [];
  }

  async function fetched(jku: unknown): Promise<Record<string, unknown>[]> {
    if (typeof jku !== 'string') return [];
    const known = sets.get(jku);
    if (known) return known;
    if (sets.size >= MAX_FETCHES) return [];
    const { keys, detail } = await fetchKeys(jku, sources.allowPrivate);
    sets.set(jku, keys);
    fetches.push({ jku: jku.slice(0, 200), ok: keys.length > 0, detail });
    return keys;
  }

  return {
    fetches,
    async keysFor({ kid, jku }) {
      const name = kid as string;
      const ofIssuers = sources.trustedIssuers.flatMap(({ keys }) => keys).filter((key) => key.kid === name);
      const near = [...(await usable(called(sources.jwks, name))), ...(await registered(name)), ...ofIssuers];
      return near.length > 0 ? near : usable(called(await fetched(jku), name));
    },
    async trustOf(jwk) {
      const { thumbprint } = await readJwk(jwk);
      const key = await findPresentedKey(db, tenant, { thumbprint });
      if (key && speaks(key, now) && (agentId === undefined || key.agentId === agentId)) return 'a registered agent';
      return trustedIssuerOf(sources.trustedIssuers, thumbprint, now);
    },
  };
}

function isCalled(key: AgentKeyRow, kid: string): boolean {
  return key.thumbprint === kid || key.id === parseId(kid, 'key');
}

function speaks(key: PresentedKey, now: Date): boolean {
  return isLive(key, now) && key.agentStatus === 'active';
}

function called(keys: Record<string, unknown>[], kid: string): Record<string, unknown>[] {
  return keys.filter((key) => key['kid'] === kid);
}

/** Without those that are weak, or no public keys at all. */
async function usable(keys: Record<string, unknown>[]): Promise<JWK[]> {
  const read = await Promise.all(
    keys.map((key) =>
      readJwk(key).catch((error: unknown) => {
        if (error instanceof KeyRefused) return undefined;
        throw error;
      }),
    ),
  );
  return read.flatMap((key) => (key ? [key.jwk] : []));
}

async function fetchKeys(
  jku: string,
  allowPrivate: boolean,
): Promise<{ keys: Record<string, unknown>[]; detail: string }> {
  if (!URL.canParse(jku)) return { keys: [], detail: 'jku is not a URL' };
  try {
    const { keys } = await fetchJson(new URL(jku), {
      allowPrivate,
      maxBytes: MAX_JWKS_BYTES,
      accept: 'application/jwk-set+json, application/json',
    });
    const isSet = Array.isArray(keys) && keys.length > 0 && keys.length <= MAX_KEYS;
    if (!isSet) return { keys: [], detail: 'what is at jku is not a JWK Set' };
    return { keys: keys.map((key) => Object(key) as Record<string, unknown>), detail: 'the keys at jku were read' };
  } catch (error) {
    if (!(error instanceof FetchRefused)) throw error;
    return { keys: [], detail: `the keys at jku cannot be fetched: ${error.message}` };
  }
}
