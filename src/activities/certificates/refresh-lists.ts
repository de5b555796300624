import { setImmediate as breathe } from 'node:timers/promises';
import type pg from 'pg';
import type { Authorities } from '../../store/certificates/authorities.ts';
import type { AuthorityRow } from '../../store/certificates/authority-rows.ts';
import { countRevoked, insertList, latestList, readRevoked, type ListHead } from '../../store/certificates/lists.ts';
import { subjectOf } from '../../trust/pki/certificate.ts';
import { encodeEntries, signList } from '../../trust/pki/crl.ts';
import { wholeSeconds } from '../../trust/pki/der.ts';
import { SigningKeyAway } from '../../trust/pki/signing-key.ts';
import type { ListPass } from './types.ts';

/** A list lasts this much longer than it takes until the next one: for so long this service may be away. */
const GRACE_MS = 24 * 3_600_000;
/** RFC 5280 §3.3: an entry stays until a list has been published after the certificate expired; a week is more. */
const HORIZON_MS = 7 * 24 * 3_600_000;
/** Rows read and encoded at a time: about five milliseconds in which nothing else runs. */
const PAGE = 2_000;
/** A revocation whose signal was lost is seen by the next pass. */
const PASS_MS = 60_000;

export interface ListDeps {
  pool: pg.Pool;
  authorities: Authorities;
  now: () => Date;
  /** Milliseconds after which a list is signed anew although nothing has changed. */
  listEveryMs?: number;
}

/**
 * Signs the list of every issuing authority that has none, has changed, or is old. Whether it has changed is told by
 * counting, since nothing that was revoked is ever not revoked: no mark can be lost between a revocation and its list.
 */
export async function refreshLists(deps: ListDeps): Promise<ListPass> {
  const { authorities, now, listEveryMs = 3_600_000 } = deps;
  const pass: ListPass = { signed: [], failed: [], nextInMs: Math.min(PASS_MS, listEveryMs) };
  await unlessAway(pass, 'issuing authority', async () => {
    if (authorities.settings.keystore !== 'none') await authorities.issuing();
  });
  for (const issuer of await authorities.all()) {
    if (issuer.role === 'responder' || issuer.notAfter <= now()) continue;
    await unlessAway(pass, issuer.id, async () => {
      const latest = await latestList(deps.pool, issuer.id);
      // The root may be offline, and an issuing authority is ended by making another: its list is signed once, empty.
      if (latest && issuer.role === 'root') return;
      if (latest && !(await isStale(deps, issuer, latest, listEveryMs))) return;
      const made = await refresh(deps, issuer, (latest?.number ?? 0) + 1, listEveryMs);
      if (made) pass.signed.push(`${issuer.id} #${made.number}, ${made.entries} revoked`);
    });
  }
  return pass;
}

async function isStale(deps: ListDeps, issuer: AuthorityRow, latest: ListHead, everyMs: number): Promise<boolean> {
  if (deps.now().getTime() - latest.thisUpdate.getTime() >= everyMs) return true;
  return (await countRevoked(deps.pool, issuer.id, latest.horizon)) !== latest.entries;
}

/** @returns `undefined` when another process was first */
async function refresh(
  { pool, authorities, now }: ListDeps,
  issuer: AuthorityRow,
  number: number,
  everyMs: number,
): Promise<ListHead | undefined> {
  const key = await authorities.keyOf(issuer);
  const thisUpdate = wholeSeconds(now());
  const horizon = new Date(thisUpdate.getTime() - HORIZON_MS);
  const pages: Buffer[] = [];
  let entries = 0;
  for (let after = ''; ;) {
    const page = await readRevoked(pool, issuer.id, { horizon, after, limit: PAGE });
    pages.push(encodeEntries(page));
    entries += page.length;
    if (page.length < PAGE) break;
    after = page.at(-1)!.serial;
    await breathe();
  }
  const nextUpdate = issuer.role === 'root' ? issuer.notAfter : new Date(thisUpdate.getTime() + everyMs + GRACE_MS);
  const head = {
    number,
    thisUpdate,
    nextUpdate,
    entries,
    horizon,
  };
  const der = await signList(
    { ...head, entries: pages },
    { name: subjectOf(issuer.certificate), keyIdentifier: issuer.keyIdentifier, key },
  );
  return (await insertList(pool, issuer.id, { ...head, der })) ? head : undefined;
}

async function unlessAway(pass: ListPass, what: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof SigningKeyAway)) throw error;
    pass.failed.push(`${what}: ${error.message}`);
  }
}
