import type { IncomingHttpHeaders } from 'node:http';
import type { z } from 'zod';
import type { Tenant } from '../domain/types.ts';
import type { Db } from '../store/pool.ts';

/** The API key or OAuth client that a request came with. */
export interface Credential {
  kind: 'api_key' | 'oauth';
  /** UUID of the API key, or the client id. */
  id: string;
  scopes: string[];
}

/** What a token of a delegation may act as, and as nobody else. */
export interface Acting {
  agentId: string;
  delegationId: string;
  /** The principal, or the organization itself. */
  principalId: string;
  /** The key by which the agent asked for it itself: its end is the token's. */
  keyId?: string;
}

/** A request signed by an agent (RFC 9421): by which of its registered keys. */
export interface RequestProof {
  agentId: string;
  keyId: string;
  thumbprint: string;
}

/**
 * What a handler gets: everything checked. On a public route there is no credential behind it: `tenant` is then the
 * nil organization, to which no row belongs, and `actor` is `public`.
 */
export interface RouteContext<B = unknown, Q = unknown, P = unknown> {
  tenant: Tenant;
  credential: Credential;
  /** Who acts, as the audit trail names it: `api_key:key_…` or `client:…`. */
  actor: string;
  /** Set when the credential is a token of a delegation; what it may touch was checked before the handler. */
  acting?: Acting;
  /** Present when an agent signed the request, and the signature is good. */
  proof?: RequestProof;
  requestId: string;
  headers: IncomingHttpHeaders;
  /** The body as it came, for signatures over it; empty when there was none. */
  rawBody: Buffer;
  body: B;
  query: Q;
  params: P;
  /** Lower-case UUID; present when the header was sent, and always when the route requires it. */
  idempotencyKey?: string;
  /** SHA-256 (hex) of method, path and canonical body; empty on routes that take no key. */
  fingerprint: string;
  /** The transaction of a `replay: 'stored'` route, else the pool. */
  db: Db;
  /**
   * Runs after the transaction of a `replay: 'stored'` route has committed (at once elsewhere, after the handler), and
   * never for a replay or a refusal. For signals that must not be sent about something that was rolled back.
   */
  afterCommit: (step: () => Promise<void> | void) => void;
}

/** `body` is JSON unless `contentType` says otherwise; then it is a string, a Buffer or a stream. */
export interface Reply {
  status: number;
  body: unknown;
  headers?: Record<string, string>;
  contentType?: string;
}

/** `alsoAs`: further media types that `Accept` chooses among. */
export type ResponseDoc = z.ZodType | { description: string; contentType: string; alsoAs?: string[] };

type Schema = z.ZodType | undefined;
type Output<S extends Schema> = S extends z.ZodType ? z.output<S> : undefined;

interface RouteFacts {
  method: 'get' | 'post' | 'put' | 'patch' | 'delete';
  /** With `:id` parameters: `/v1/payments/:id`. */
  path: string;
  summary: string;
  description?: string;
  tags: readonly string[];
  /** The scope the credential needs; of several, any one suffices; `admin` always does. */
  scope: string | readonly string[];
  idempotency: 'required' | 'optional' | 'none';
  /**
   * `stored`: the pipeline answers repeats from `idempotency_keys`, in one transaction with the handler's writes.
   * `own`: the handler does it. `none`: nothing is remembered.
   */
  replay: 'stored' | 'own' | 'none';
  /** The answer shows a secret once: what is kept for repeats is sealed. */
  sealedReplay?: boolean;
  /** Kakunin-shaped routes answer errors as `application/json`. */
  envelope?: 'kakunin';
  /** Takes `application/x-www-form-urlencoded` besides JSON (the OAuth endpoints, RFC 6749 Appendix B). */
  form?: true;
  /** Takes bytes of this media type, which the handler reads off `rawBody`, and no JSON. */
  takes?: string;
  /**
   * A signed message of a processor, not searched for card numbers: references of processors look like some, and
   * nothing of the message is kept but what its adapter reads.
   */
  isProcessorNews?: true;
  /** What an address may ask of this route is limited apart from all others: a setting of `config`. */
  limitedBy?: 'RATE_LIMIT_VERIFY_PER_IP';
  /** Runs before the transaction of a `replay: 'stored'` route begins, for what must not wait inside of one. */
  prepare?: () => Promise<unknown>;
  /** Names the operation in the OpenAPI document; derived from method and path when absent. */
  operationId?: string;
  /** Answers 404 although neither path nor body names a thing. */
  mayBeAbsent?: true;
  /** Example of the request body for the OpenAPI document. */
  example?: unknown;
  responses: Record<number, ResponseDoc>;
}

export interface RouteSpec<B extends Schema, Q extends Schema, P extends Schema> extends RouteFacts {
  body?: B;
  query?: Q;
  params?: P;
  handler: (ctx: RouteContext<Output<B>, Output<Q>, Output<P>>) => Promise<Reply>;
}

export interface AnyRoute extends RouteFacts {
  body?: z.ZodType;
  query?: z.ZodType;
  params?: z.ZodType;
  handler: (ctx: RouteContext) => Promise<Reply>;
}

/** Declares one route: what it takes, who may call it, what it answers. The OpenAPI document is made of these. */
export function route<B extends Schema = undefined, Q extends Schema = undefined, P extends Schema = undefined>(
  spec: RouteSpec<B, Q, P>,
): AnyRoute {
  // The pipeline validates with the very schemas that type the handler's context.
  return spec as unknown as AnyRoute;
}
