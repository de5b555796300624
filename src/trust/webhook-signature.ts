import { createHmac } from 'node:crypto';
import { canonicalJson } from './canonical.ts';
import type { Signer } from './signing.ts';

/** What one notification is signed with. */
export interface WebhookKeys {
  /** `whsec_` and base64: the present secret, then the former one while a rotation overlaps. */
  secrets: readonly string[];
  signer: Pick<Signer, 'kid' | 'signDetached'>;
}

interface Signed {
  id: string;
  /** Unix seconds of the attempt. */
  timestamp: number;
  /** Exactly as it is sent. */
  body: string;
}

/**
 * Standard Webhooks headers, over `id.timestamp.body`: one `v1` (HMAC-SHA-256) for each secret and one `v1a` (Ed25519,
 * the published signing key); and `X-Signature: sha256=` over the body, under the present secret. While a rotation
 * overlaps, `X-Signature-Former` is the same under the former one.
 */
export async function signatureHeaders({ id, timestamp, body }: Signed, { secrets, signer }: WebhookKeys) {
  const signed = `${id}.${timestamp}.${body}`;
  const [present = '', former] = secrets;
  const headers: Record<string, string> = {
    'webhook-id': id,
    'webhook-timestamp': String(timestamp),
    'webhook-signature': [
      ...secrets.map((secret) => `v1,${hmac(secret, signed).digest('base64')}`),
      `v1a,${Buffer.from(await signer.signDetached(signed), 'base64url').toString('base64')}`,
    ].join(' '),
    'x-signature': `sha256=${hmac(present, body).digest('hex')}`,
  };
  if (former !== undefined) headers['x-signature-former'] = `sha256=${hmac(former, body).digest('hex')}`;
  return headers;
}

/** `x-fidacy-signature`: a compact JWS (RFC 7515, EdDSA) whose payload is the body, byte for byte; and its key's id. */
export async function jwsHeaders(body: string, signer: WebhookKeys['signer']): Promise<Record<string, string>> {
  const { kid } = signer;
  const header = Buffer.from(canonicalJson({ alg: 'EdDSA', kid })).toString('base64url');
  const input = `${header}.${Buffer.from(body).toString('base64url')}`;
  return { 'x-fidacy-signature': `${input}.${await signer.signDetached(input)}`, 'x-fidacy-key-id': kid };
}

function hmac(secret: string, text: string) {
  return createHmac('sha256', Buffer.from(secret.replace(/^whsec_/, ''), 'base64')).update(text);
}
