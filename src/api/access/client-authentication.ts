import type { IncomingHttpHeaders } from 'node:http';
import { authenticateClient, type OauthClientRow } from '../../store/oauth-clients.ts';
import type { Db } from '../../store/pool.ts';
import type { Reply } from '../route.ts';

/** A refusal in the words of RFC 6749 §5.2, which fix another body than the rest of the API has. */
export function oauthError(status: 400 | 401, error: string, description: string): Reply {
  return {
    status,
    body: { error, error_description: description },
    headers: {
      'Cache-Control': 'no-store',
      Pragma: 'no-cache',
      ...(status === 401 ? { 'WWW-Authenticate': 'Basic realm="oauth"' } : {}),
    },
  };
}

/**
 * Client authentication by HTTP Basic or by members of the body (RFC 6749 §2.3.1), never both.
 * @returns the client, or the refusal to answer with
 */
export async function authenticatedClient(
  db: Db,
  headers: IncomingHttpHeaders,
  body: Record<string, unknown>,
): Promise<OauthClientRow | Reply> {
  const basic = basicCredentials(headers.authorization);
  const { client_id: id, client_secret: secret } = body;
  if (basic === 'malformed') return oauthError(401, 'invalid_client', 'The Authorization header is not usable.');
  if (basic && secret !== undefined) {
    return oauthError(400, 'invalid_request', 'Authenticate by one method, not by two.');
  }
  const given = basic ?? { id, secret };
  if (typeof given.id !== 'string' || typeof given.secret !== 'string') {
    return oauthError(401, 'invalid_client', 'Client authentication is missing.');
  }
  const client = await authenticateClient(db, given.id, given.secret);
  return client ?? oauthError(401, 'invalid_client', 'Client authentication failed.');
}

export function isRefusal(value: OauthClientRow | Reply): value is Reply {
  return 'status' in value;
}

function basicCredentials(header: string | undefined): { id: string; secret: string } | 'malformed' | undefined {
  if (header === undefined || !/^Basic /i.test(header)) return undefined;
  const text = Buffer.from(header.slice(6), 'base64').toString('utf8');
  const colon = text.indexOf(':');
  if (colon < 0) return 'malformed';
  try {
    // Both halves are form-urlencoded first (RFC 6749 §2.3.1).
    return { id: formDecode(text.slice(0, colon)), secret: formDecode(text.slice(colon + 1)) };
  } catch {
    return 'malformed';
  }
}

function formDecode(text: string): string {
  return decodeURIComponent(text.replaceAll('+', ' '));
}
