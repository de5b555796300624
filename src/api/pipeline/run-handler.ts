import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { RequestHandler, Response } from 'express';
import { canonicalJson, sha256Hex } from '../../trust/canonical.ts';
import type { ApiDeps } from '../deps.ts';
import type { AnyRoute, Reply, RouteContext } from '../route.ts';
import { runStored } from './replay.ts';
import { stateOf } from './state.ts';

const EMPTY = Buffer.alloc(0);
const NIL = '00000000-0000-0000-0000-000000000000';
const PUBLIC_TENANT = { orgId: NIL, mode: 'test' } as const;
const PUBLIC_CREDENTIAL = { kind: 'api_key', id: NIL, scopes: [] as string[] } as const;

/** The last step: calls the handler with what the steps before have found, and sends its reply. */
export function runHandler(deps: ApiDeps, route: AnyRoute): RequestHandler {
  return async (req, res) => {
    const state = stateOf(req);
    const later: (() => Promise<void> | void)[] = [];
    const ctx: RouteContext = {
      tenant: state.access?.tenant ?? PUBLIC_TENANT,
      credential: state.access ?? PUBLIC_CREDENTIAL,
      actor: state.access?.actor ?? 'public',
      acting: state.access?.acting,
      proof: state.proof,
      requestId: state.requestId,
      headers: req.headers,
      rawBody: state.rawBody ?? EMPTY,
      body: state.body,
      query: state.query,
      params: state.params,
      idempotencyKey: state.idempotencyKey,
      fingerprint:
        route.idempotency === 'none'
          ? ''
          : sha256Hex(
              `${req.method} ${req.path}\n${state.json === undefined ? '' : canonicalJson(state.json)}` +
                // Under another delegation it is another request: its answer is for that one.
                (state.access?.acting ? `\n${state.access.acting.delegationId}` : '') +
                // A secret is shown again to the credential that it was shown to, and to no other.
                (route.sealedReplay && state.access ? `\n${state.access.id}` : ''),
            ),
      db: deps.pool,
      afterCommit: (step) => void later.push(step),
    };
    await route.prepare?.();
    const reply = route.replay === 'stored' ? await runStored(deps, route, ctx) : await route.handler(ctx);
    if (reply.status < 400) for (const step of later) await step();
    await send(res, reply);
  };
}

async function send(res: Response, reply: Reply): Promise<void> {
  res.status(reply.status);
  for (const [name, value] of Object.entries(reply.headers ?? {})) res.setHeader(name, value);
  if (reply.contentType !== undefined) res.setHeader('Content-Type', reply.contentType);
  else res.setHeader('Content-Type', 'application/json; charset=utf-8');
  if (!res.hasHeader('Cache-Control')) res.setHeader('Cache-Control', 'no-store');
  const { body } = reply;
  if (body === undefined || reply.status === 204) res.end();
  else if (body instanceof Readable) await stream(res, body);
  else if (typeof body === 'string' || Buffer.isBuffer(body)) {
    // A text without a content type is a JSON value like any other.
    res.end(reply.contentType === undefined && typeof body === 'string' ? JSON.stringify(body) : body);
  } else res.end(JSON.stringify(body));
}

/** A stream that breaks after its first bytes cannot become an error answer: the connection is cut, so that it shows. */
async function stream(res: Response, body: Readable): Promise<void> {
  await pipeline(body, res).catch(() => res.destroy());
}
