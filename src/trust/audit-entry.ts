import { canonicalJson, sha256Hex } from './canonical.ts';

/** What an audit entry says, without its place in the chain. `at` is RFC 3339 UTC with milliseconds. */
export interface AuditFact {
  org: string;
  at: string;
  type: string;
  actor: string;
  subject: string;
  body: unknown;
}

/**
 * The canonical text of an entry in two halves, open at `prev_hash` and `seq`: those two are known only under the lock
 * of the chain's head, inside the database (function `record_fact`). Canonical order of the members is
 * actor, at, body, org, prev_hash, seq, subject, type.
 */
export function auditTemplate(fact: AuditFact): { before: string; after: string } {
  const before = canonicalJson({ actor: fact.actor, at: fact.at, body: fact.body, org: fact.org });
  const after = canonicalJson({ subject: fact.subject, type: fact.type });
  return { before: `${before.slice(0, -1)},"prev_hash":"`, after: `,${after.slice(1)}` };
}

/** The hash of a whole entry, as a verifier computes it from an export: no template, no database. */
export function entryHash(entry: AuditFact & { seq: number; prev_hash: string }): string {
  const { org, at, type, actor, subject, body, seq, prev_hash } = entry;
  return sha256Hex(canonicalJson({ seq, prev_hash, org, at, type, actor, subject, body }));
}
