import type pg from 'pg';
import { inCommon } from '../../domain/access-scopes.ts';
import { toTypeId } from '../../domain/ids.ts';
import { scopesOfRoles } from '../../domain/roles.ts';
import { isActingLive } from '../../store/acting.ts';
import { findLiveApiKey } from '../../store/api-keys.ts';
import type { Listener } from '../../store/listener.ts';
import { findTokenClient, organizationsOf } from '../../store/oauth-clients.ts';
import { sha256Hex } from '../../trust/canonical.ts';
import type { Signer } from '../../trust/signing.ts';
import type { Access } from '../pipeline/state.ts';
import { readAccessToken } from './access-token.ts';

/** Where triggers say that something which kills credentials has changed: `notify_change` in the migrations. */
const CHANNEL = 'prokura_credentials';
/** A credential found good is believed this long without proof that no word to the contrary was missed, milliseconds. */
export const UNHEARD_MS = 1_000;
/** And this long with it: whatever a trigger may have failed to say is found out then. */
const REMEMBERED_MS = 300_000;
const CACHE_LIMIT = 10_000;

interface Found {
  access: Access;
  /** Whose word may end it. */
  orgIds: string[];
  /** Unix milliseconds at which the credential ends by itself. */
  expiresAt?: number | undefined;
}

interface Remembered {
  access: Promise<Access | undefined>;
  /** Unknown while the lookup is under way. */
  orgIds?: string[];
  askedAt: number;
  until: number;
}

/**
 * Looks up credentials and remembers the good ones: a request whose credential is known costs no read. PostgreSQL says
 * when one dies, and the organization's are forgotten; while nothing can be heard, none is believed for more than a
 * second. So a revocation is felt everywhere within a second. Credentials found bad are not remembered.
 */
export class Credentials {
  readonly #pool: pg.Pool;
  readonly #known = new Map<string, Remembered>();
  /** What was good when it was last looked up: nothing that could be guessed, and never believed without a lookup. */
  readonly #onceGood = new Set<string>();
  #listener: Pick<Listener, 'silentFor'> | undefined;

  constructor(pool: pg.Pool) {
    this.#pool = pool;
  }

  /** Hears of changes through `listener`, from its next connection on. */
  follow(listener: Listener): void {
    this.#listener = listener;
    listener.on(CHANNEL, (org) => this.forget(org === '*' ? undefined : org));
    listener.onGap(() => this.forget());
  }

  /** Withdraws what is remembered of an organization, or of all. A lookup under way answers, and is not remembered. */
  forget(orgId?: string): void {
    if (orgId === undefined) this.#known.clear();
    for (const [name, known] of this.#known) {
      if (known.orgIds?.includes(orgId!) ?? true) this.#known.delete(name);
    }
  }

  /** Whether the credential is no guess: it was good when it was last looked up, also where that is to be done again. */
  remembers(secret: string): boolean {
    return this.#onceGood.has(sha256Hex(secret));
  }

  async ofApiKey(key: string): Promise<Access | undefined> {
    return this.#remembered(key, async () => {
      const row = await findLiveApiKey(this.#pool, key);
      if (!row) return undefined;
      return {
        access: {
          kind: 'api_key',
          id: row.id,
          scopes: row.memberRoles ? inCommon(row.scopes, scopesOfRoles(row.memberRoles)) : row.scopes,
          tenant: { orgId: row.orgId, mode: row.mode },
          actor: `api_key:${toTypeId('key', row.id)}`,
          highTrust: row.highTrust,
          signingSecretSealed: row.signingSecretSealed,
        },
        orgIds: [row.orgId],
        expiresAt: row.goodUntil?.getTime(),
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
        access: {
          kind: 'oauth',
          id: client.id,
          scopes: home.scopes,
          tenant,
          actor: `client:${client.id}`,
          highTrust: client.highTrust,
          signingSecretSealed: client.signingSecretSealed,
          previousSigningSecretSealed: client.previousSigningSecretSealed,
          jkt: claims.jkt,
          acting,
          organizations: acting || organizations.length === 1 ? undefined : organizations,
        },
        expiresAt: Math.min(claims.expiresAt * 1000, client.previousSecretUntil?.getTime() ?? Infinity),
        orgIds: organizations.map(({ orgId }) => orgId),
      };
    });
  }

  #believed(known: Remembered | undefined): Remembered | undefined {
    if (!known) return undefined;
    const now = Date.now();
    if (now >= known.until) return undefined;
    const heard = this.#listener !== undefined && this.#listener.silentFor() < UNHEARD_MS;
    return heard || now - known.askedAt < UNHEARD_MS ? known : undefined;
  }

  async #remembered(secret: string, find: () => Promise<Found | undefined>): Promise<Access | undefined> {
    const name = sha256Hex(secret);
    const known = this.#believed(this.#known.get(name));
    if (known) return known.access;
    if (this.#known.size >= CACHE_LIMIT) this.#known.clear();
    const askedAt = Date.now();
    const found = find();
    const entry: Remembered = {
      access: found.then((one) => one?.access),
      askedAt,
      until: askedAt + REMEMBERED_MS,
    };
    this.#known.set(name, entry);
    const drop = () => {
      if (this.#known.get(name) === entry) this.#known.delete(name);
    };
    found.then((one) => {
      if (!one) {
        this.#onceGood.delete(name);
        return drop();
      }
      if (this.#onceGood.size >= CACHE_LIMIT) this.#onceGood.clear();
      this.#onceGood.add(name);
      entry.orgIds = one.orgIds;
      entry.until = Math.min(entry.until, one.expiresAt ?? Infinity);
    }, drop);
    return entry.access;
  }
}

const perPool = new WeakMap<pg.Pool, Credentials>();

/** The credentials of a process: one per pool, so that whoever revokes reaches what the pipeline remembers. */
export function credentialsOf(pool: pg.Pool): Credentials {
  let credentials = perPool.get(pool);
  if (!credentials) perPool.set(pool, (credentials = new Credentials(pool)));
  return credentials;
}
