import type pg from 'pg';
import { newAuthorityKey } from '../../trust/pki/agent-key.ts';
import { keyIdentifier, nameOf, newSerial, signCertificate, subjectOf } from '../../trust/pki/certificate.ts';
import { openKmsKey } from '../../trust/pki/kms-key.ts';
import { issuingExtensions, responderExtensions, rootExtensions } from '../../trust/pki/profiles.ts';
import { localSigningKey, SigningKeyAway, type SigningKey } from '../../trust/pki/signing-key.ts';
import { newId } from '../../trust/new-id.ts';
import type { Sealer } from '../../trust/seal.ts';
import { inTransaction, type Db } from '../pool.ts';
import {
  holdAuthorities,
  insertAuthority,
  listAuthorities,
  retireAuthority,
  type AuthorityRole,
  type AuthorityRow,
} from './authority-rows.ts';

const DAY_MS = 86_400_000;
const LIFE_DAYS = { root: 20 * 365, issuing: 5 * 365, responder: 90 } as const;
/** An issuing authority is followed by another while it can still issue for a whole year; a responder after two months. */
const RENEW_DAYS = { issuing: 400, responder: 30 } as const;
/** For so long a process may go by authorities that another one has replaced. */
const REMEMBERED_MS = 5_000;
/** Older than that they are read again before anybody goes by them; until then while somebody does. */
const USABLE_MS = 60_000;

export interface AuthoritySettings {
  /** Where the issuing key is: here, sealed; in AWS KMS; nowhere, and then no certificate is issued. */
  keystore: 'local' | 'kms' | 'none';
  kmsKeyArn?: string;
  /** Where the outside finds lists, issuers and the responder. */
  publicUrl: string;
  /** OID under which ours lie. */
  arc: string;
}

interface Deps {
  pool: pg.Pool;
  sealer: Sealer;
  settings: AuthoritySettings;
  now?: () => Date;
}

/**
 * Root, issuing authority and responders: made when they are missing, followed by others before they expire, and their
 * keys opened when they have to sign. However many processes start at once, one of them makes each.
 */
export class Authorities {
  readonly settings: AuthoritySettings;
  readonly #deps: Deps;
  readonly #keys = new Map<string, Promise<SigningKey>>();
  #remembered?: { rows: AuthorityRow[]; at: number };
  #reading?: Promise<AuthorityRow[]>;

  constructor(deps: Deps) {
    this.#deps = deps;
    this.settings = deps.settings;
  }

  /** Every authority that has issued something which may still be good; nothing is made. */
  async all(): Promise<AuthorityRow[]> {
    const age = Date.now() - (this.#remembered?.at ?? 0);
    if (age < REMEMBERED_MS) return this.#remembered!.rows;
    const reading = (this.#reading ??= listAuthorities(this.#deps.pool)
      .then((rows) => this.#remember(rows))
      .finally(() => (this.#reading = undefined)));
    if (age >= USABLE_MS) return reading;
    // Whoever asks within a transaction holds a connection already, and must not wait for another.
    reading.catch(() => undefined);
    return this.#remembered!.rows;
  }

  /** The authority that certificates are issued by. @throws SigningKeyAway when there is none and none can be made */
  async issuing(): Promise<AuthorityRow> {
    const rows = await this.#complete();
    return rows.find((row) => row.role === 'issuing' && row.retiredAt === null)!;
  }

  /** The responder of an issuing authority. @throws SigningKeyAway */
  async responderOf(issuerId: string): Promise<AuthorityRow> {
    const isOurs = (row: AuthorityRow) => row.role === 'responder' && row.issuerId === issuerId;
    const found = (await this.all()).find((row) => isOurs(row) && !ends(row, 'responder', this.#now()));
    if (found) return found;
    return (await this.#complete()).find(isOurs)!;
  }

  /** @throws SigningKeyAway */
  async keyOf(row: AuthorityRow): Promise<SigningKey> {
    const known = this.#keys.get(row.id);
    if (known) return known;
    const opening = this.#open(row);
    this.#keys.set(row.id, opening);
    // What could not be opened is tried again by the next one.
    opening.catch(() => this.#keys.delete(row.id));
    return opening;
  }

  /**
   * A new issuing authority in the place of the present one, which signs its lists and answers on.
   * @param rootPem the root's key, when it is kept elsewhere
   * @throws SigningKeyAway
   */
  async renewIssuing(rootPem?: string): Promise<AuthorityRow> {
    await inTransaction(this.#deps.pool, async (db) => {
      await holdAuthorities(db);
      const rows = await listAuthorities(db);
      await this.#makeMissing(db, rows, { renew: true, rootPem });
    });
    this.#remembered = undefined;
    return this.issuing();
  }

  async #complete(): Promise<AuthorityRow[]> {
    if (this.settings.keystore === 'none') throw new SigningKeyAway('Certificates are switched off here');
    const rows = await this.all();
    if (!this.#isIncomplete(rows)) return rows;
    const made = await inTransaction(this.#deps.pool, async (db) => {
      await holdAuthorities(db);
      await this.#makeMissing(db, await listAuthorities(db), { renew: false });
      return listAuthorities(db);
    });
    return this.#remember(made);
  }

  #isIncomplete(rows: AuthorityRow[]): boolean {
    const issuing = rows.find((row) => row.role === 'issuing' && row.retiredAt === null);
    const root = rows.find((row) => row.role === 'root' && row.retiredAt === null);
    if (!root || !issuing || !this.#isWanted(issuing)) return true;
    if (root.keySealed !== null && ends(issuing, 'issuing', this.#now())) return true;
    return this.#withoutResponder(rows).length > 0;
  }

  #isWanted({ keyRef }: AuthorityRow): boolean {
    const { keystore, kmsKeyArn } = this.settings;
    return keystore === 'kms' ? keyRef === kmsKeyArn : keyRef.startsWith('local:');
  }

  #withoutResponder(rows: AuthorityRow[]): AuthorityRow[] {
    const now = this.#now();
    return rows.filter(
      (issuer) =>
        issuer.role === 'issuing' &&
        issuer.notAfter > now &&
        !rows.some((row) => row.role === 'responder' && row.issuerId === issuer.id && !ends(row, 'responder', now)),
    );
  }

  async #makeMissing(
    db: Db,
    rows: AuthorityRow[],
    { renew, rootPem }: { renew: boolean; rootPem?: string },
  ): Promise<void> {
    const now = this.#now();
    let root = rows.find((row) => row.role === 'root' && row.retiredAt === null);
    if (!root) rows.push((root = await this.#make(db, 'root', undefined)));
    const present = rows.find((row) => row.role === 'issuing' && row.retiredAt === null);
    const ageing = present && root.keySealed !== null && ends(present, 'issuing', now);
    if (!present || renew || ageing || !this.#isWanted(present)) {
      const key = rootPem === undefined ? await this.keyOf(root) : localSigningKey(root.keyRef, rootPem);
      if (!keyIdentifier(key.publicKey).equals(root.keyIdentifier))
        throw new SigningKeyAway('This is not the key of the root');
      if (present) await retireAuthority(db, present.id, now);
      rows.push(await this.#make(db, 'issuing', { row: root, key }));
    }
    for (const issuer of this.#withoutResponder(rows)) {
      const old = rows.find((row) => row.role === 'responder' && row.issuerId === issuer.id);
      if (old) await retireAuthority(db, old.id, now);
      await this.#make(db, 'responder', { row: issuer, key: await this.keyOf(issuer) });
    }
  }

  async #make(
    db: Db,
    role: AuthorityRole,
    issuer: { row: AuthorityRow; key: SigningKey } | undefined,
  ): Promise<AuthorityRow> {
    const id = newId();
    const now = this.#now();
    const isKms = role === 'issuing' && this.settings.keystore === 'kms';
    const pem = isKms ? undefined : await newAuthorityKey(role === 'root' ? 'P-384' : 'P-256');
    const key = pem === undefined ? await this.#openKms() : localSigningKey(`local:${id}`, pem);
    const own = keyIdentifier(key.publicKey);
    const subject = nameOf({
      organization: 'Prokura',
      commonName: `${TITLE[role]} ${own.toString('hex').slice(0, 8)}`,
    });
    const crl = `${this.settings.publicUrl}/v1/crl?issuer=${issuer?.row.id}`;
    const identifiers = { own, issuer: issuer?.row.keyIdentifier ?? own, crl };
    const wantedEnd = now.getTime() + LIFE_DAYS[role] * DAY_MS;
    const notAfter = new Date(Math.min(wantedEnd, issuer?.row.notAfter.getTime() ?? wantedEnd));
    const certificate = await signCertificate(
      {
        serial: newSerial(),
        subject,
        publicKey: key.publicKey,
        notBefore: now,
        notAfter,
        extensions: EXTENSIONS[role](identifiers),
      },
      issuer ? { name: subjectOf(issuer.row.certificate), key: issuer.key } : { name: subject, key },
    );
    const row = {
      id,
      role,
      issuerId: issuer?.row.id ?? null,
      certificate,
      keyIdentifier: own,
      keyRef: key.ref,
      keySealed: pem === undefined ? null : this.#deps.sealer.seal(pem),
      notAfter,
      createdAt: now,
    };
    await insertAuthority(db, row);
    return { ...row, retiredAt: null };
  }

  async #open(row: AuthorityRow): Promise<SigningKey> {
    if (row.keySealed !== null) return localSigningKey(row.keyRef, this.#deps.sealer.open(row.keySealed));
    if (row.keyRef.startsWith('local:')) {
      throw new SigningKeyAway('The key of the root is offline: `prokura ca renew --root-key` uses it from a file');
    }
    return openKmsKey(row.keyRef);
  }

  async #openKms(): Promise<SigningKey> {
    const { kmsKeyArn } = this.settings;
    if (kmsKeyArn === undefined) throw new SigningKeyAway('AWS KMS is not configured: CA_KMS_KEY_ARN names no key');
    return openKmsKey(kmsKeyArn);
  }

  #remember(rows: AuthorityRow[]): AuthorityRow[] {
    this.#remembered = { rows, at: Date.now() };
    return rows;
  }

  #now(): Date {
    return this.#deps.now?.() ?? new Date();
  }
}

const TITLE: Record<AuthorityRole, string> = { root: 'Root', issuing: 'Agents', responder: 'OCSP' };
const EXTENSIONS = { root: rootExtensions, issuing: issuingExtensions, responder: responderExtensions };

function ends({ notAfter }: AuthorityRow, role: 'issuing' | 'responder', now: Date): boolean {
  return notAfter.getTime() - now.getTime() < RENEW_DAYS[role] * DAY_MS;
}
