import { z } from 'zod';
import { Problem } from '../../domain/errors.ts';
import { toTypeId } from '../../domain/ids.ts';
import { insertAgentKey, listAgentKeys, type AgentKeyRow } from '../../store/agent-keys.ts';
import { findAgent } from '../../store/agents.ts';
import { recordFact } from '../../store/facts.ts';
import { inTransaction } from '../../store/pool.ts';
import { DidRefused, jwkOfDid, jwksOfDocument, parseDid, webAddressOf } from '../../trust/did.ts';
import { readJwk, type PublicKey } from '../../trust/public-key.ts';
import type { ApiDeps } from '../deps.ts';
import { found } from '../not-found.ts';
import { route, type AnyRoute } from '../route.ts';
import { idOf } from '../schemas.ts';
import { keyTaken } from './agent-routes.ts';
import { fetchDidDocument } from './did-document.ts';
import { AgentKey, orRefuse, printKey } from './key-body.ts';

/**
 * The keys of the agent's own DID become its registered keys. Nothing is believed later because of the DID: a key that
 * leaves the document is withdrawn here like any other.
 */
export function didKeyRoute({ pool, config }: ApiDeps): AnyRoute {
  return route({
    method: 'post',
    path: '/v1/agents/:id/keys/from-did',
    summary: 'Registers the keys of the agent’s DID; those that it has already stay as they are.',
    description:
      '`did:key` and `did:jwk` are the key. The document of a `did:web` is fetched, over https and from public addresses ' +
      'only, unless `document` has it.',
    tags: ['Agents'],
    envelope: 'kakunin',
    scope: ['keys:write', 'agents:write'],
    params: z.object({ id: idOf('agt') }),
    body: z.strictObject({ document: z.record(z.string(), z.unknown()).optional() }).default({}),
    example: {},
    idempotency: 'none',
    // The document is fetched before the transaction begins: no connection waits for a stranger's server.
    replay: 'none',
    responses: { 200: z.object({ data: z.array(AgentKey) }) },
    handler: async ({ params, body, tenant, actor }) => {
      const agent = found(await findAgent(pool, tenant, params.id), 'agent', 'id');
      if (agent.status === 'retired') throw new Problem('unprocessable', 'The agent is retired.');
      if (agent.did === null) throw new Problem('unprocessable', 'The agent has no DID.');
      const allowPrivate = config.WEBHOOK_ALLOW_PRIVATE || config.PROKURA_ENV === 'development';
      const jwks = await jwksOf(agent.did, body.document, allowPrivate);
      const path = body.document ? 'document' : 'did';
      const keys: PublicKey[] = [];
      for (const jwk of jwks) keys.push(await orRefuse(path, () => readJwk(jwk)));
      const rows = await inTransaction(pool, async (db) => {
        const before = new Map((await listAgentKeys(db, tenant, agent.id)).map((row) => [row.thumbprint, row]));
        const result: AgentKeyRow[] = [];
        for (const key of keys) {
          const known = before.get(key.thumbprint);
          const row =
            known ?? (await insertAgentKey(db, tenant, agent.id, { ...key, label: agent.did!.slice(0, 500) }));
          if (!row) throw keyTaken(key, path);
          before.set(row.thumbprint, row);
          if (!result.includes(row)) result.push(row);
          if (known) continue;
          await recordFact(db, {
            tenant,
            at: row.createdAt,
            type: 'agent.key_registered',
            actor,
            subject: toTypeId('agt', agent.id),
            body: { key_id: toTypeId('key', row.id), thumbprint: row.thumbprint, alg: row.alg, did: agent.did },
            events: [],
          });
        }
        return result;
      });
      return { status: 200, body: { data: rows.map(printKey) } };
    },
  });
}

/** @throws Problem `unprocessable` */
async function jwksOf(
  text: string,
  given: Record<string, unknown> | undefined,
  allowPrivate: boolean,
): Promise<Record<string, unknown>[]> {
  try {
    const did = parseDid(text);
    const jwk = did && jwkOfDid(did);
    if (jwk) return [jwk];
    const url = did && webAddressOf(did);
    if (!url) throw new DidRefused('is of a method whose keys are not read here');
    return jwksOfDocument(given ?? (await fetchDidDocument(url, allowPrivate)), text);
  } catch (error) {
    if (!(error instanceof DidRefused)) throw error;
    throw new Problem('unprocessable', `The DID ${error.message}.`, {
      fields: [{ path: given ? 'document' : 'did', message: error.message }],
      cause: error,
    });
  }
}
