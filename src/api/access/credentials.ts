import type pg from 'pg';
import { toTypeId } from '../../domain/ids.ts';
import { findLiveApiKey } from '../../store/api-keys.ts';
import { isActingLive } from '../../store/acting.ts';
import { findTokenClient, organizationsOf } from '../../store/oauth-clients.ts';
import { sha256Hex } from '../../trust/canonical.ts';
import type { Signer } from '../../trust/signing.ts';
import type { Access } from '../pipeline/state.ts';
import { readAccessToken } from './access-token.ts';
import { inCommon } from '../../domain/access-scopes.ts';

/**
 * How long a credential found good is believed without asking again, milliseconds: authorize may cost two round trips to
 * the database, and this lookup would be a third. A revocation in this process is felt at once, elsewhere within this
 * time. Credentials found bad are not remembered.
 */
export const CREDENTIAL_CACHE_MS = 5_000;
/**
 * The same for a token of a delegation: whether the chain of delegations is live is asked again after this time, so that
 * a revocation in another process is felt within a second.
 */
const ACTING_CACHE_MS = 500;
const CACHE_LIMIT = 10_000;

interface Remembered {
  access: Promise<Access | undefined>;
  until: number;
}

/** Looks up credentials, and remembers good ones for a moment. */
export class Credentials {
  readonly #pool: pg.Pool;
  readonly #known = new Map<string, Remembered>();

  constructor(pool: pg.Pool) {
    this.#pool = pool;
  }

  /** Withdraws what is remembered: revocations are rare, so all of it. */
  forget(): void {
    this.#known.clear();
  }

  async ofApiKey(key: string): Promise<Access | undefined> {
    return this.#remembered(key, async () => {
      const row = await findLiveApiKey(this.#pool, key);
      if (!row) return undefined;
      return {
        kind: 'api_key',
        id: row.id,
        scopes: row.scopes,
        tenant: { orgId: row.orgId, mode: row.mode },
        actor: `api_key:${toTypeId('key', row.id)}`,
        highTrust: row.highTrust,
        signingSecretSealed: row.signingSecretSealed,
      };
    });
  }

  /**
   * The scopes are those of the token, as far as the client still holds them. A token of a delegation is of one
   * organization; any other is of every organization of its client, and the request says which.
   */
  async ofAccessToken(signer: Signer, issuer: string, token: string): Promise<Access | undefined> {
    return this.#remembered(token, async () => {
      const claims = await readAccessToken(signer, issuer, token);
      if (!claims) return undefined;
      const { acting, clientId, jti } = claims;
      const client = await findTokenClient(this.#pool, clientId, jti);
      if (!client) return undefined;
      const organizations = organizationsOf(client).map(({ orgId, scopes }) => ({
        orgId,
        scopes: inCommon(inCommon(claims.scopes, client.scopes), scopes),
      }));
      const home = organizations.find(({ orgId }) => orgId === claims.orgId);
      if (!home) return undefined;
      const tenant = { orgId: home.orgId, mode: client.mode };
      if (acting && !(await isActingLive(this.#pool, tenant, acting, new Date()))) return undefined;
      return {
        kind: 'oauth',
        id: client.id,
        scopes: home.scopes,
        tenant,
        actor: `client:${client.id}`,
        highTrust: client.highTrust,
        signingSecretSealed: client.signingSecretSealed,
        previousSigningSecretSealed: client.previousSigningSecretSealed,
        expiresAt: claims.expiresAt * 1000,
        jkt: claims.jkt,
        acting,
        organizations: acting || organizations.length === 1 ? undefined : organizations,
      };
    });
  }

  async #remembered(secret: string, find: () => Promise<Access | undefined>): Promise<Access | undefined> {
    const at = Date.now();
    const name = sha256Hex(secret);
    const known = this.#known.get(name);
    if (known && known.until > at) return known.access;
    if (this.#known.size >= CACHE_LIMIT) this.#known.clear();
    const access = find();
    const entry = { access, until: at + CREDENTIAL_CACHE_MS };
    this.#known.set(name, entry);
    const drop = () => {
      if (this.#known.get(name)?.access === access) this.#known.delete(name);
    };
    access.then((found) => {
      if (!found) return drop();
      if (found.acting) entry.until = at + ACTING_CACHE_MS;
      entry.until = Math.min(entry.until, found.expiresAt ?? Infinity);
    }, drop);
    return access;
  }
}

const perPool = new WeakMap<pg.Pool, Credentials>();

/** The credentials of a process: one per pool, so that whoever revokes reaches what the pipeline remembers. */
export function credentialsOf(pool: pg.Pool): Credentials {
  let credentials = perPool.get(pool);
  if (!credentials) perPool.set(pool, (credentials = new Credentials(pool)));
  return credentials;
}
