import { invalid, Misuse, type Verification } from './result.ts';

export interface Kind {
  summary: string;
  /** Members of the input, each with its meaning. */
  members: Record<string, string>;
  /** Shape of an input, shortened. */
  example: string;
  verify: (input: unknown) => Promise<Verification>;
}

const NOW = 'the moment to judge at: epoch seconds or RFC 3339; the clock of this machine when absent';
const JWKS = 'public keys: JWK Set, list of JWKs, or one JWK';

/** What can be verified offline, by the name that the command takes. Code is loaded by the kind that needs it. */
export const KINDS: Record<string, Kind> = {
  verdict: {
    summary: 'a signed verdict (Risk Payload, compact JWS)',
    members: {
      jws: 'the verdict',
      jwks: JWKS,
      'now?': NOW,
      'issuer?': 'must equal the claim, or its part before #',
      'expected?': 'members that the payload must have',
    },
    example:
      '{"jws": "eyJ…", "jwks": {"keys": […]}, "issuer": "did:web:pay.example", "expected": {"decision": "approve"}}',
    verify: async (input) => (await import('./verdict.ts')).verifyVerdict(input),
  },
  mandate: {
    summary: 'an AP2 mandate, alone or under the open mandates of its chain',
    members: {
      token: 'the chain of SD-JWTs',
      'keys?': `${JWKS}: who may sign the root; this or root_jwk is needed`,
      'root_jwk?': 'the one key that signed the root',
      'now?': NOW,
      'aud?': 'what the last hop must name',
      'nonce?': 'what the last hop must name',
      'checkout_jwt?': 'the merchant’s checkout JWT as it was received',
      'checkout_mandate?': 'for a payment: the checkout mandate that belongs to it',
      'merchant_keys?': `${JWKS}: who may sign the checkout JWT`,
      'kind?': 'payment (then it must be closed), checkout, or an exact vct',
    },
    example: '{"token": "eyJ…~~eyJ…", "keys": {"keys": […]}, "aud": "…", "nonce": "…", "checkout_jwt": "eyJ…"}',
    verify: async (input) => (await import('./mandate.ts')).verifyMandate(input),
  },
  'agent-card': {
    summary: 'a signed A2A 1.0 Agent Card',
    members: {
      card: 'the card as it was served',
      'jwks?': `${JWKS}; what the card says of its own keys is not followed`,
    },
    example: '{"card": {"name": "…", "signatures": […]}, "jwks": {"keys": […]}}',
    verify: async (input) => (await import('./agent-card.ts')).verifyAgentCard(input),
  },
  audit: {
    summary: 'an export of the audit trail (lines of JSON), or entries under a checkpoint',
    members: {
      entries: 'entries in order, as GET /v1/audit gives them',
      'checkpoint?': 'a signed note; without one nobody vouches for the entries',
      'public_key?': 'the key of the installation: JWK, or key of a signed note; giving it demands a checkpoint',
      'proofs?': 'answers of GET /v1/audit/proof, for entries that do not begin with the first',
      'earlier_checkpoint?': 'a checkpoint that was kept: the trail must have only grown since',
    },
    example: '{"entries": […], "checkpoint": "pay.example/audit/org_…/live\\n41\\n…", "public_key": {"kty": "OKP", …}}',
    verify: async (input) => (await import('./audit.ts')).verifyAudit(input),
  },
  coverage: {
    summary: 'an export of the coverage (lines of JSON): every money effect beside its verdict',
    members: {
      lines: 'the lines of GET /v1/ledger/coverage/export, in order',
      'public_key?':
        'the key of the installation: JWK, JWK Set or key of a signed note; that of the export when absent',
    },
    example: '{"lines": [{"format": "prokura-coverage/1", …}, …, {"end": …}], "public_key": {"kty": "OKP", …}}',
    verify: async (input) => (await import('./coverage.ts')).verifyCoverage(input),
  },
  certificate: {
    summary: 'an X.509 certificate up to a root that you trust, and its revocation',
    members: {
      certificate_pem: 'the certificate',
      chain_pem: 'its issuers up to the self-signed root, in any order; the root is what you trust',
      'crl_pem?': 'revocation lists; without them revocation is not checked',
      'now?': NOW,
    },
    example:
      '{"certificate_pem": "-----BEGIN CERTIFICATE-----…", "chain_pem": "…", "crl_pem": "-----BEGIN X509 CRL-----…"}',
    verify: async (input) => (await import('./certificate.ts')).verifyCertificate(input),
  },
  webhook: {
    summary: 'a received notification (Standard Webhooks, X-Signature, x-fidacy-signature)',
    members: {
      headers: 'headers by name',
      body: 'the text exactly as it was received',
      'secret?': 'whsec_…; this or public_key is needed',
      'public_key?': 'JWK, JWK Set, or whpk_…',
      'now?': NOW,
      'tolerance?': 'seconds around now; 300 when absent',
    },
    example:
      '{"headers": {"webhook-id": "…", "webhook-timestamp": "…", "webhook-signature": "v1,…"}, "body": "…", "secret": "whsec_…"}',
    verify: async (input) => (await import('./webhook.ts')).verifyWebhook(input),
  },
  'http-signature': {
    summary: 'a request with HTTP message signatures (RFC 9421) and Content-Digest',
    members: {
      method: 'the method',
      url: 'the whole address',
      headers: 'headers by name; a repeated one as a list',
      'body?': 'the text exactly as it was received',
      keys: `${JWKS}, or JWKs by key id`,
      'now?': NOW,
      'required?': 'components that must be covered, such as "@method"',
      'max_age?': 'seconds that a signature may be old',
    },
    example:
      '{"method": "POST", "url": "https://…", "headers": {"signature": "…", "signature-input": "…"}, "keys": {"keys": […]}}',
    verify: async (input) => (await import('./http-signature.ts')).verifyHttpSignature(input),
  },
  receipt: {
    summary: 'an AP2 receipt of a payment or checkout (JWT)',
    members: {
      jwt: 'the receipt',
      jwks: JWKS,
      'now?': NOW,
      'issuer?': 'must equal iss',
      'reference?': 'hash of the closed mandate that it must be bound to',
      'expected?': 'members that the payload must have',
    },
    example: '{"jwt": "eyJ…", "jwks": {"keys": […]}, "reference": "…"}',
    verify: async (input) => (await import('./receipt.ts')).verifyReceipt(input),
  },
};

/** Verifies one input. Only a question that cannot be asked throws. @throws Misuse */
export async function verifyKind(name: string, input: unknown): Promise<Verification> {
  const kind = Object.hasOwn(KINDS, name) ? KINDS[name] : undefined;
  if (!kind) throw new Misuse(`unknown kind ${JSON.stringify(name)}: one of ${Object.keys(KINDS).join(', ')}`);
  try {
    return await kind.verify(input);
  } catch (error) {
    if (error instanceof Misuse) throw error;
    // A defect, or an input made to exhaust the stack: whatever it is, nothing was verified.
    return invalid('malformed', 'it could not be read');
  }
}
