import { z } from 'zod';
import { Problem } from '../../domain/errors.ts';
import { toTypeId } from '../../domain/ids.ts';
import { recordAbuse } from '../../store/abuse.ts';
import { findAgent } from '../../store/agents.ts';
import { verifyCardSignatures, type CardSignatures } from '../../verify/agent-card.ts';
import type { ApiDeps } from '../deps.ts';
import { fetchJson, FetchRefused } from '../fetch-json.ts';
import { found } from '../not-found.ts';
import { route, type AnyRoute } from '../route.ts';
import { idOf } from '../schemas.ts';
import { cardKeyring, type CardKeyring } from './card-keys.ts';
import { AgentCard } from './card-schema.ts';
import { issuersOf } from './trust-list-route.ts';

const MAX_CARD_BYTES = 262_144;

const VerifyCardInput = z
  .strictObject({
    card: z.record(z.string(), z.unknown()).optional(),
    url: z
      .url({ protocol: /^https?$/ })
      .max(2_048)
      .optional(),
    agent_id: idOf('agt').optional(),
    jwks: z
      .looseObject({ keys: z.array(z.record(z.string(), z.unknown())).min(1).max(50) })
      .optional()
      .meta({ description: 'Keys to verify with; they make nobody trusted' }),
  })
  .refine((body) => (body.card === undefined) !== (body.url === undefined), {
    error: 'exactly one of card and url is required',
    path: ['card'],
  })
  .meta({ id: 'VerifyCardRequest' });

interface Check {
  code: string;
  ok: boolean;
  detail: string;
}

const CardVerification = z
  .object({
    valid: z.boolean().meta({ description: 'Somebody signed it, and no signature is wrong' }),
    trusted: z.boolean().meta({ description: 'A good signature is by a registered key, or by one of the trust list' }),
    checks: z.array(z.object({ code: z.string(), ok: z.boolean(), detail: z.string() })),
    signatures: z.array(
      z.object({
        kid: z.string().nullable(),
        alg: z.string().nullable(),
        valid: z.boolean(),
        trusted: z.boolean(),
        code: z.string(),
      }),
    ),
  })
  .meta({ id: 'CardVerification' });

/**
 * Whether an agent card says what its signer wrote, and whether we know the signer. A card that is wrong is an answer
 * and no error; only what cannot be asked is refused.
 */
export function verifyCardRoute(deps: ApiDeps): AnyRoute {
  const { config, pool, log } = deps;
  const allowPrivate = config.WEBHOOK_ALLOW_PRIVATE || config.PROKURA_ENV === 'development';
  return route({
    method: 'post',
    path: '/v1/agents/verify-card',
    summary: 'Verifies the signatures of an A2A agent card.',
    description:
      'Keys are looked for in `jwks`, among registered keys (those of `agent_id` when it is given), in the trust list, and ' +
      'at the `jku` of a signature, over https and at public addresses only. Rely on a card that is `valid` and `trusted`.',
    tags: ['Agents'],
    scope: ['agents:read', 'assess:read', 'assess:write'],
    body: VerifyCardInput,
    example: {
      card: {
        name: 'Travel agent',
        description: 'Books travel.',
        version: '1.0.0',
        supportedInterfaces: [{ url: 'https://a2a.example/v1', protocolBinding: 'JSONRPC', protocolVersion: '1.0' }],
        capabilities: {},
        defaultInputModes: ['text/plain'],
        defaultOutputModes: ['text/plain'],
        skills: [],
      },
    },
    // Nothing is changed, and a stranger's server is waited for: nothing is kept for repeats.
    idempotency: 'none',
    replay: 'none',
    responses: { 200: CardVerification },
    handler: async ({ body, tenant, actor, db }) => {
      const now = new Date();
      if (body.agent_id !== undefined) found(await findAgent(db, tenant, body.agent_id), 'agent', 'agent_id');
      const card = body.card ?? (await fetchCard(new URL(body.url!), allowPrivate));
      const keyring = cardKeyring({
        db: pool,
        tenant,
        agentId: body.agent_id,
        jwks: body.jwks?.keys ?? [],
        trustedIssuers: issuersOf(deps),
        allowPrivate,
        now,
      });
      const result = await verifyCardSignatures(card, keyring.keysFor);
      const attack = result.verdicts.find(({ alg }) => alg !== null && /^(none|hs\d+)$/i.test(alg));
      if (attack) {
        const subject = body.agent_id && toTypeId('agt', body.agent_id);
        const code = attack.alg!.toLowerCase() === 'none' ? 'alg_none' : 'alg_confusion';
        await recordAbuse(pool, log, { tenant, actor, code, detail: 'A signature of an agent card', subject, at: now });
      }
      return { status: 200, body: await judged(card, result, keyring) };
    },
  });
}

async function judged(card: unknown, { verification, verdicts, keys }: CardSignatures, keyring: CardKeyring) {
  const signatures = [];
  let trust: string | undefined;
  for (const [index, verdict] of verdicts.entries()) {
    const key = keys[index];
    const by = key && (await keyring.trustOf(key));
    trust ??= by;
    signatures.push({ ...verdict, trusted: by !== undefined });
  }
  const { valid, code, detail } = verification;
  const signed = !['unsigned', 'malformed'].includes(code);
  const trusted = valid && trust !== undefined;
  const checks: Check[] = [
    schemaCheck(card),
    signed ? { code: 'signed', ok: true, detail: 'it carries signatures' } : { code: 'signed', ok: false, detail },
    { code: 'signatures', ok: valid, detail: valid ? detail : `${code}: ${detail}` },
    {
      code: 'trusted',
      ok: trusted,
      detail: trusted ? `signed by ${trust}` : 'no good signature is by a key that is trusted here',
    },
    ...keyring.fetches.map(({ ok, detail, jku }) => ({ code: 'jku', ok, detail: `${detail} (${jku})` })),
  ];
  return { valid, trusted, checks, signatures };
}

/** Apart from the signatures: who signed a card that lacks members signed it all the same. */
function schemaCheck(card: unknown): Check {
  const parsed = AgentCard.safeParse(card);
  if (parsed.success) return { code: 'schema', ok: true, detail: 'it is an A2A 1.0 agent card' };
  const { path, message } = parsed.error.issues[0]!;
  return { code: 'schema', ok: false, detail: `${path.join('.') || 'card'}: ${message}`.slice(0, 300) };
}

/** @throws Problem `unprocessable` */
async function fetchCard(url: URL, allowPrivate: boolean): Promise<Record<string, unknown>> {
  try {
    return await fetchJson(url, { allowPrivate, maxBytes: MAX_CARD_BYTES, accept: 'application/json' });
  } catch (error) {
    if (!(error instanceof FetchRefused)) throw error;
    throw new Problem('unprocessable', `The card cannot be fetched: ${error.message}.`, {
      fields: [{ path: 'url', message: error.message }],
      cause: error,
    });
  }
}
