import { z } from 'zod';
import { Problem } from '../../domain/errors.ts';
import { toTypeId } from '../../domain/ids.ts';
import type { Tenant } from '../../domain/types.ts';
import { CREDENTIALS } from '../../processors/registry.ts';
import { recordFact } from '../../store/facts.ts';
import {
  findMid,
  holdMid,
  insertMid,
  listMids,
  switchMid,
  updateMid,
  type MidRow,
  type MidTerms,
} from '../../store/mids.ts';
import type { Db } from '../../store/pool.ts';
import { isAccountTaken } from '../../store/provisioning.ts';
import type { ApiDeps } from '../deps.ts';
import { found } from '../not-found.ts';
import { invalidRequest } from '../pipeline/invalid-request.ts';
import { route, type AnyRoute } from '../route.ts';
import { listOf, shortText } from '../schemas.ts';
import { baseUrlOf } from './base-url.ts';
import { Mid, midParams, printMid, ProcessorChange, ProcessorInput, termsOf } from './body.ts';

const KINDS = Object.keys(CREDENTIALS);

const UNSAID: Omit<MidTerms, 'baseUrl'> = {
  priority: 100,
  currencies: null,
  methods: null,
  merchants: null,
  countries: null,
  caps: {},
  cost: null,
  capabilities: {},
  maxConcurrent: null,
  maxPerSecond: null,
};

/** Accounts at processors: where payments may go, on what terms, with which credentials. */
export function processorRoutes({ config, sealer }: ApiDeps): AnyRoute[] {
  const reading = {
    tags: ['Routing'],
    scope: ['routing:read', 'payments:read', 'payments:write'],
    idempotency: 'none',
    replay: 'none',
  } as const;
  const writing = { tags: ['Routing'], scope: 'routing:write', idempotency: 'optional', replay: 'stored' } as const;
  return [
    route({
      ...reading,
      method: 'get',
      path: '/v1/processors',
      summary: 'Accounts at processors, in order of priority, without their credentials.',
      responses: { 200: listOf(Mid) },
      handler: async ({ tenant, db }) => ({
        status: 200,
        body: { data: (await listMids(db, tenant)).map(printMid), next_cursor: null },
      }),
    }),
    route({
      ...reading,
      method: 'get',
      path: '/v1/processors/:id',
      summary: 'An account at a processor: its terms, and how it has fared.',
      params: midParams,
      responses: { 200: Mid },
      handler: async ({ params: { id }, tenant, db }) => ({
        status: 200,
        body: printMid(found(await findMid(db, tenant, id), 'account', 'id')),
      }),
    }),
    route({
      ...writing,
      method: 'post',
      path: '/v1/processors',
      summary: 'Adds an account at a processor; payments are routed to it from then on.',
      body: ProcessorInput,
      example: {
        processor: 'gamma',
        mid: 'shop-1',
        kind: 'simulator',
        base_url: 'https://api.processor.example',
        credentials: { api_key: 'sk_example' },
        priority: 500,
        currencies: ['EUR', 'USD'],
        caps: [{ currency: 'EUR', max: 5000 }],
        cost: { basis_points: 140, fixed: [{ amount: 0.25, currency: 'EUR' }] },
        limits: { max_concurrent: 50 },
      },
      responses: { 201: Mid },
      handler: async ({ body: { processor, mid, kind, credentials, ...said }, ...change }) => {
        if (!KINDS.includes(kind)) throw invalidRequest('kind', `must be one of ${KINDS.join(', ')}`);
        checkCredentials(kind, credentials, true);
        const baseUrl = baseUrlOf(said.base_url, config);
        const terms = termsOf({ ...said, base_url: baseUrl }, { ...UNSAID, baseUrl });
        const { apiKey, notifySecret } = sealed(credentials);
        const row = await insertMid(change.db, change.tenant, {
          ...terms,
          processor,
          mid,
          kind,
          apiKeySealed: apiKey!,
          notifySecretSealed: notifySecret,
        }).catch((error: unknown) => {
          if (!isAccountTaken(error)) throw error;
          throw new Problem('unprocessable', `Your organization has ${mid} at ${processor} already.`);
        });
        await record(change, 'processor_account.added', row, { kind, base_url: baseUrl });
        return { status: 201, body: printMid(row) };
      },
    }),
    route({
      ...writing,
      method: 'patch',
      path: '/v1/processors/:id',
      summary: 'Changes the terms or credentials of an account; members that are left out stay.',
      description: 'Plans that exist stay as they are; limits and being switched off count for them too.',
      params: midParams,
      body: ProcessorChange,
      example: { priority: 20, cost: { basis_points: 120 }, limits: { max_per_second: 200 } },
      responses: { 200: Mid },
      handler: async ({ params: { id }, body: { credentials = {}, ...said }, ...change }) => {
        await holdMid(change.db, change.tenant, id);
        const before = found(await findMid(change.db, change.tenant, id), 'account', 'id');
        checkCredentials(before.kind, credentials);
        if (said.base_url !== undefined) said.base_url = baseUrlOf(said.base_url, config);
        const row = await updateMid(change.db, change.tenant, id, termsOf(said, before), sealed(credentials));
        const members = [...Object.keys(said), ...Object.keys(credentials).map((name) => `credentials.${name}`)].sort();
        await record(change, 'processor_account.changed', row, { members });
        return { status: 200, body: printMid(row) };
      },
    }),
    route({
      ...writing,
      method: 'post',
      path: '/v1/processors/:id/disable',
      summary: 'Sends no new payment there, plans that exist included; open payments stay and are finished there.',
      params: midParams,
      body: z.strictObject({ reason: shortText.optional() }),
      example: { reason: 'moved to another acquirer' },
      responses: { 200: Mid },
      handler: async ({ params: { id }, body: { reason = null }, ...change }) => ({
        status: 200,
        body: await turn(change, id, { enabled: false, reason }),
      }),
    }),
    route({
      ...writing,
      method: 'post',
      path: '/v1/processors/:id/enable',
      summary: 'Sends payments there again; an outage that was noted is forgotten.',
      params: midParams,
      responses: { 200: Mid },
      handler: async ({ params: { id }, ...change }) => ({
        status: 200,
        body: await turn(change, id, { enabled: true, reason: null }),
      }),
    }),
  ];

  function sealed({ api_key, notification_secret }: { api_key?: string; notification_secret?: string }) {
    return {
      apiKey: api_key === undefined ? undefined : sealer.seal(api_key),
      notifySecret: notification_secret === undefined ? undefined : sealer.seal(notification_secret),
    };
  }
}

/**
 * Credentials in the form that their kind has; those of a change may be some of them.
 * @throws Problem `invalid_request` naming the member
 */
function checkCredentials(kind: string, given: object, whole = false): void {
  const issues = CREDENTIALS[kind]?.safeParse(given).error?.issues ?? [];
  const issue = issues.find(({ path }) => whole || (path[0] !== undefined && path[0] in given));
  if (issue) throw invalidRequest(`credentials.${issue.path.join('.')}`, issue.message);
}

interface Change {
  db: Db;
  tenant: Tenant;
  actor: string;
}

async function turn(change: Change, id: string, to: { enabled: boolean; reason: string | null }) {
  const { row, changed } = found(await switchMid(change.db, change.tenant, id, to), 'account', 'id');
  const type = to.enabled ? 'processor_account.enabled' : 'processor_account.disabled';
  if (changed) await record(change, type, row, { reason: to.reason });
  return printMid(row);
}

async function record({ db, tenant, actor }: Change, type: string, row: MidRow, body: object): Promise<void> {
  await recordFact(db, {
    tenant,
    at: new Date(),
    type,
    actor,
    subject: toTypeId('mid', row.id),
    body: { processor: row.processor, mid: row.mid, ...body },
    events: [],
  });
}
