import { z } from 'zod';
import type { Reply, RouteContext } from '../route.ts';

/** Error codes of RFC 6749 §5.2, RFC 8693 §2.2.2 (RFC 8707 §2) and RFC 9449 §5. */
export type OauthErrorCode =
  | 'invalid_request'
  | 'invalid_client'
  | 'invalid_grant'
  | 'unsupported_grant_type'
  | 'invalid_scope'
  | 'invalid_target'
  | 'invalid_dpop_proof';

export const OauthErrorBody = z
  .object({ error: z.string(), error_description: z.string() })
  .meta({ id: 'OauthError', description: 'RFC 6749 §5.2' });

export const NO_STORE = { 'Cache-Control': 'no-store', Pragma: 'no-cache' };

/** A refusal in the words of RFC 6749 §5.2, which fix another body than the rest of the API has. */
export class OauthError extends Error {
  override readonly name = 'OauthError';
  readonly error: OauthErrorCode;

  constructor(error: OauthErrorCode, description: string) {
    super(description);
    this.error = error;
  }

  reply(): Reply {
    const unknown = this.error === 'invalid_client';
    return {
      status: unknown ? 401 : 400,
      body: { error: this.error, error_description: this.message },
      headers: { ...NO_STORE, ...(unknown ? { 'WWW-Authenticate': 'Basic realm="oauth"' } : {}) },
    };
  }
}

/** A handler that may throw OAuth refusals. */
export function answering<B, Q, P>(
  handler: (ctx: RouteContext<B, Q, P>) => Promise<Reply>,
): (ctx: RouteContext<B, Q, P>) => Promise<Reply> {
  return async (ctx) => {
    try {
      return await handler(ctx);
    } catch (error) {
      if (error instanceof OauthError) return error.reply();
      throw error;
    }
  };
}
