import { z } from 'zod';
import { toTypeId } from '../../domain/ids.ts';
import { recordFact } from '../../store/facts.ts';
import {
  deleteTrustBundle,
  findTrustBundle,
  listTrustBundles,
  putTrustBundle,
  type TrustBundleRow,
} from '../../store/trust-bundles.ts';
import { isTrustDomain } from '../../trust/spiffe.ts';
import { found, notFound } from '../not-found.ts';
import { route, type AnyRoute } from '../route.ts';
import { timeOut } from '../schemas.ts';
import { readTrustBundle, TrustBundleInput } from './trust-bundle-body.ts';

const TrustBundle = z
  .object({
    trust_domain: z.string(),
    jwks: z.object({ keys: z.array(z.record(z.string(), z.unknown())) }),
    x509_anchors: z.array(z.string()),
    x509_crls: z.array(z.string()),
    created_at: timeOut,
    updated_at: timeOut,
  })
  .meta({ id: 'TrustBundle' });

function print(row: TrustBundleRow) {
  return {
    trust_domain: row.trustDomain,
    jwks: { keys: row.jwtKeys },
    x509_anchors: row.x509Anchors,
    x509_crls: row.x509Crls,
    created_at: row.createdAt.toISOString(),
    updated_at: row.updatedAt.toISOString(),
  };
}

/** Whom an organization lets vouch for its agents: signers of JWT-SVIDs, and roots of X.509 chains. */
export function trustBundleRoutes(): AnyRoute[] {
  const tags = ['Identity'];
  const path = '/v1/identities/trust-bundles';
  const params = z.object({
    trust_domain: z
      .string()
      .refine(isTrustDomain, { error: 'must be a trust domain' })
      .meta({ example: 'acme.example' }),
  });
  return [
    route({
      method: 'put',
      path: `${path}/:trust_domain`,
      summary: 'Puts the keys and anchors of a trust domain in the place of those it had.',
      description:
        'A SPIFFE bundle may be given as it is: its `x509-svid` entries become anchors. Whoever is named here can vouch ' +
        'for every agent of the organization.',
      tags,
      scope: 'identities:write',
      params,
      body: TrustBundleInput,
      example: {
        jwks: {
          keys: [
            {
              kty: 'EC',
              crv: 'P-256',
              kid: 'authority-1',
              use: 'jwt-svid',
              x: 'f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU',
              y: 'x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0',
            },
          ],
        },
      },
      idempotency: 'optional',
      replay: 'stored',
      responses: { 200: TrustBundle, 201: TrustBundle },
      handler: async ({ params: { trust_domain: trustDomain }, body, tenant, actor, db }) => {
        const bundle = await readTrustBundle(body);
        const row = await putTrustBundle(db, tenant, { trustDomain, ...bundle });
        await recordFact(db, {
          tenant,
          at: row.updatedAt,
          type: 'trust_bundle.set',
          actor,
          subject: toTypeId('org', tenant.orgId),
          body: { trust_domain: trustDomain, keys: row.jwtKeys.map(({ kid }) => kid), ...bundle.summary },
          events: [],
        });
        return { status: row.created ? 201 : 200, body: print(row) };
      },
    }),
    route({
      method: 'get',
      path,
      summary: 'Trust bundles of the organization, by trust domain.',
      tags,
      scope: 'identities:read',
      idempotency: 'none',
      replay: 'none',
      responses: { 200: z.object({ data: z.array(TrustBundle) }) },
      handler: async ({ tenant, db }) => ({
        status: 200,
        body: { data: (await listTrustBundles(db, tenant)).map(print) },
      }),
    }),
    route({
      method: 'get',
      path: `${path}/:trust_domain`,
      summary: 'The keys and anchors of a trust domain.',
      tags,
      scope: 'identities:read',
      params,
      idempotency: 'none',
      replay: 'none',
      responses: { 200: TrustBundle },
      handler: async ({ params: { trust_domain }, tenant, db }) => ({
        status: 200,
        body: print(found(await findTrustBundle(db, tenant, trust_domain), 'trust bundle', 'trust_domain')),
      }),
    }),
    route({
      method: 'delete',
      path: `${path}/:trust_domain`,
      summary: 'Believes a trust domain no longer.',
      tags,
      scope: 'identities:write',
      params,
      idempotency: 'optional',
      replay: 'stored',
      responses: { 200: z.object({ trust_domain: z.string(), deleted: z.literal(true) }) },
      handler: async ({ params: { trust_domain }, tenant, actor, db }) => {
        if (!(await deleteTrustBundle(db, tenant, trust_domain))) throw notFound('trust bundle', 'trust_domain');
        await recordFact(db, {
          tenant,
          at: new Date(),
          type: 'trust_bundle.removed',
          actor,
          subject: toTypeId('org', tenant.orgId),
          body: { trust_domain },
          events: [],
        });
        return { status: 200, body: { trust_domain, deleted: true } };
      },
    }),
  ];
}
