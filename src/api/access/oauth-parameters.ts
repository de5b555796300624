import type { IncomingHttpHeaders } from 'node:http';
import { z } from 'zod';
import { OauthError } from './oauth-error.ts';

/** What a client may authenticate with in the body (RFC 6749 §2.3.1, RFC 7521 §4.2). */
export const clientMembers = {
  client_id: z.string().optional(),
  client_secret: z.string().optional(),
  client_assertion_type: z.string().optional(),
  client_assertion: z.string().max(16_384).optional(),
};

/** Body of introspection and revocation. Loose, because RFC 6749 §3.2 has unknown parameters ignored. */
export const TokenReference = z.looseObject({
  token: z.string().optional(),
  token_type_hint: z.string().optional(),
  ...clientMembers,
});

const FORM = /^application\/x-www-form-urlencoded/i;

/**
 * A form names each parameter once (RFC 6749 §3.2). RFC 8693 §2.1 lets `resource` and `audience` be repeated; a token is
 * issued for one target only, so these are refused too, with the error that fits.
 * @throws OauthError `invalid_request`, `invalid_target`
 */
export function refuseRepeated(headers: IncomingHttpHeaders, rawBody: Buffer): void {
  if (!FORM.test(headers['content-type'] ?? '')) return;
  const seen = new Set<string>();
  for (const name of new URLSearchParams(rawBody.toString('utf8')).keys()) {
    if (seen.has(name)) {
      const target = name === 'resource' || name === 'audience';
      throw new OauthError(
        target ? 'invalid_target' : 'invalid_request',
        target ? 'A token is issued for one target: name one.' : 'A parameter is repeated.',
      );
    }
    seen.add(name);
  }
}

/** The scopes of a `scope` parameter (RFC 6749 §3.3), each once. */
export function scopesIn(scope: string): string[] {
  return [...new Set(scope.split(' ').filter(Boolean))];
}
