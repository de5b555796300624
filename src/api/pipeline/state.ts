import type { Request } from 'express';
import type { Tenant } from '../../domain/types.ts';
import type { Membership } from '../../store/oauth-clients.ts';
import type { Acting, Credential, RequestProof } from '../route.ts';

/** What is known of the credential behind a request; the signing secret stays sealed until a signature is checked. */
export interface Access extends Credential {
  tenant: Tenant;
  actor: string;
  highTrust: boolean;
  signingSecretSealed: string | null;
  /** Accepted beside it until the overlap of a rotation ends. */
  previousSigningSecretSealed?: string | null;
  /** Thumbprint of the key that an access token is bound to: the request brings a proof of it (RFC 9449). */
  jkt?: string;
  /** Of a token of a delegation. */
  acting?: Acting;
  /** Of a client of several organizations: the request names one of them, and has the scopes that it has there. */
  organizations?: Membership[];
}

/** What the steps before the handler have found out about a request. */
export interface RequestState {
  requestId: string;
  /** Set on Kakunin-shaped routes: their errors are `application/json`. */
  envelope?: 'kakunin';
  access?: Access;
  /** The API key as presented: its own signing secret, when the credential has no other. */
  presentedKey?: string;
  /** The agent that signed the request, when one did. */
  proof?: RequestProof;
  /** The body's bytes as they came: what X-Signature covers. */
  rawBody?: Buffer;
  /** The parsed body before validation: what the fingerprint covers. */
  json?: unknown;
  body?: unknown;
  query?: unknown;
  params?: unknown;
  idempotencyKey?: string;
}

const STATE = Symbol('state');

export function stateOf(req: Request): RequestState {
  return (req as unknown as { [STATE]: RequestState })[STATE];
}

export function beginState(req: Request, requestId: string): void {
  (req as unknown as { [STATE]: RequestState })[STATE] = { requestId };
}
