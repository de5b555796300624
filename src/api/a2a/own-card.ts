import { issuerOf } from '../../trust/issuer.ts';
import { canonicalJson } from '../../trust/canonical.ts';
import { KEYS_MAX_AGE_SECONDS, type Signer } from '../../trust/signing.ts';
import { canonicalCard } from '../../verify/agent-card-form.ts';
import type { ApiDeps } from '../deps.ts';
import { route, type AnyRoute } from '../route.ts';
import { AgentCard } from './card-schema.ts';
import { A2A_VERSIONS } from './version.ts';

const JSON_TYPE = 'application/json';

/** Prokura is asked by HTTP requests of its own; it serves none of the protocol's own bindings. */
const BINDING = 'https://prokura.dev/a2a/bindings/decisions/v1';

/** The card of this installation, unsigned. */
export function ownCard(config: ApiDeps['config']): Record<string, unknown> {
  const { publicUrl, PROKURA_ISSUER: issuer } = config;
  return {
    name: 'Prokura',
    description:
      'Control plane for payments that software agents make: says who an agent acts for, whether it may, and how risky ' +
      'that is, and signs what it said.',
    version: '0.1.0',
    provider: { organization: 'Prokura', url: publicUrl },
    documentationUrl: `${publicUrl}/docs`,
    supportedInterfaces: [{ url: `${publicUrl}/v1`, protocolBinding: BINDING, protocolVersion: A2A_VERSIONS[0] }],
    capabilities: {
      streaming: false,
      pushNotifications: false,
      extensions: [
        {
          uri: `${publicUrl}/a2a/extensions/trust-verdict/v1`,
          description: 'Decisions are signed; the keys and the list of trusted issuers are published.',
          required: false,
          params: {
            issuer: issuerOf({ issuer, publicUrl }),
            jwks_uri: `${publicUrl}/.well-known/jwks.json`,
            trust_list_uri: `${publicUrl}/.well-known/trust-list`,
          },
        },
      ],
    },
    defaultInputModes: [JSON_TYPE],
    defaultOutputModes: [JSON_TYPE],
    securitySchemes: {
      apiKey: { httpAuthSecurityScheme: { scheme: 'Bearer', description: 'API key or access token' } },
      oauth: {
        oauth2SecurityScheme: {
          flows: { clientCredentials: { tokenUrl: `${publicUrl}/oauth/token`, scopes: {} } },
          oauth2MetadataUrl: `${publicUrl}/.well-known/oauth-authorization-server`,
        },
      },
    },
    securityRequirements: [{ schemes: { apiKey: { list: [] } } }, { schemes: { oauth: { list: [] } } }],
    skills: [
      {
        id: 'authorize',
        name: 'Decide on an action',
        description:
          'Decides whether an agent may do what it intends: approved, challenge or deny, with signed reasons.',
        tags: ['payments', 'authorization', 'policy', 'risk'],
      },
      {
        id: 'verify-agent',
        name: 'Verify an agent',
        description: 'Says whether an agent may speak for a principal now, and whether an agent card is genuine.',
        tags: ['identity', 'a2a'],
      },
    ],
  };
}

/** Adds a signature (A2A 1.0 §8.4): JWS over the canonical form of the card, the keys to be found at `jku`. @throws SignerAway */
export async function signCard(
  card: Record<string, unknown>,
  signer: Pick<Signer, 'kid' | 'signDetached'>,
  jku: string,
): Promise<Record<string, unknown>> {
  const encoded = (text: string) => Buffer.from(text).toString('base64url');
  const header = encoded(canonicalJson({ alg: 'EdDSA', kid: signer.kid, typ: 'JOSE', jku }));
  const signature = await signer.signDetached(`${header}.${encoded(canonicalCard(card))}`);
  return { ...card, signatures: [{ protected: header, signature }] };
}

/** `/.well-known/agent-card.json`: signed once per process, since neither card nor key changes in it. */
export function ownCardRoute({ config, signer }: ApiDeps): AnyRoute {
  let signed: Record<string, unknown> | undefined;
  return route({
    method: 'get',
    path: '/.well-known/agent-card.json',
    summary: 'The A2A agent card of this installation, signed.',
    tags: ['Agents'],
    scope: 'public',
    idempotency: 'none',
    replay: 'none',
    responses: { 200: AgentCard.meta({ id: 'AgentCard' }) },
    handler: async () => {
      signed ??= await signCard(ownCard(config), signer, `${config.publicUrl}/.well-known/jwks.json`);
      return {
        status: 200,
        body: signed,
        headers: { 'Cache-Control': `public, max-age=${KEYS_MAX_AGE_SECONDS}` },
      };
    },
  });
}
