import { z } from 'zod';
import { createDocument, type ZodOpenApiOperationObject, type ZodOpenApiPathsObject } from 'zod-openapi';
import { PROBLEMS, type ProblemCode } from '../../domain/errors.ts';
import { SCOPES } from '../../domain/access-scopes.ts';
import { webhookOperations } from '../events/catalogue/index.ts';
import type { AnyRoute, ResponseDoc } from '../route.ts';

/** The body of every refusal. */
export const ProblemBody = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    instance: z.string(),
    code: z.enum(Object.keys(PROBLEMS) as [ProblemCode, ...ProblemCode[]]),
    error: z.string(),
    request_id: z.string(),
    errors: z.array(z.object({ path: z.string(), message: z.string(), type: z.string().optional() })).optional(),
  })
  .catchall(z.unknown())
  .meta({ id: 'Problem', description: 'RFC 9457 problem details; `code` is stable (docs/errors.md).' });

const PROBLEM_WORDS: Record<number, string> = {
  400: 'The request is malformed; `errors` names the members',
  401: 'Missing or invalid credential, or wrong X-Signature',
  402: 'The payment was declined',
  403: 'The credential may not do this',
  404: 'Not found in your organization',
  409: 'The state of things does not allow this',
  413: 'The body is larger than 1 MB',
  415: 'The body is not application/json',
  422: 'Well formed, but cannot be applied',
  429: 'Too many requests',
  431: 'A header is too long',
  500: 'Internal error; nothing was approved',
  503: 'A dependency is away; retry with the same key',
};

/** The OpenAPI 3.1 document, made of the very schemas that validate. */
export function openApiDocument(routes: AnyRoute[], publicUrl: string): object {
  const paths: ZodOpenApiPathsObject = {};
  for (const route of routes) {
    const path = route.path.replaceAll(/:(\w+)/g, '{$1}');
    paths[path] = { ...paths[path], [route.method]: operationOf(route) };
  }
  return createDocument({
    openapi: '3.1.0',
    info: {
      title: 'Prokura',
      version: '0.1.0',
      description:
        'Control plane for payments that software agents make: who acts and for whom, may it, is it risky, and did the ' +
        'money move exactly once.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: publicUrl }],
    tags: [...new Set([...routes.flatMap((route) => route.tags), 'Notifications'])].map((name) => ({ name })),
    components: {
      schemas: { Problem: ProblemBody },
      securitySchemes: {
        apiKey: { type: 'http', scheme: 'bearer', description: 'API key: prk_live_… or prk_test_…' },
        apiKeyHeader: { type: 'apiKey', in: 'header', name: 'x-api-key' },
        oauth: {
          type: 'oauth2',
          flows: {
            clientCredentials: {
              tokenUrl: `${publicUrl}/oauth/token`,
              scopes: Object.fromEntries(SCOPES.map((scope) => [scope, scope])),
            },
          },
        },
      },
    },
    paths,
    webhooks: webhookOperations(),
  });
}

function operationOf(route: AnyRoute): ZodOpenApiOperationObject {
  const isPublic = route.scope === 'public';
  const anyOf = [route.scope].flat();
  return {
    operationId: route.operationId ?? operationId(route),
    summary: route.summary,
    ...(route.description ? { description: route.description } : {}),
    tags: [...route.tags],
    security: isPublic ? [] : [{ apiKey: [] }, { apiKeyHeader: [] }, ...anyOf.map((scope) => ({ oauth: [scope] }))],
    requestParams: {
      ...pathParams(route),
      ...(route.query ? { query: route.query as z.ZodObject } : {}),
      header: headersOf(route, isPublic),
    },
    ...(route.body ? { requestBody: requestBody(route) } : {}),
    ...(route.takes ? { requestBody: { required: true, content: { [route.takes]: {} } } } : {}),
    responses: { ...successes(route), ...refusals(route, isPublic) },
  };
}

/** `post /v1/payments/:id/notes` → `postPaymentsByIdNotes`. */
export function operationId({ method, path }: Pick<AnyRoute, 'method' | 'path'>): string {
  const words = path
    .replace(/^\/v1\//, '/')
    .split(/[/._-]/)
    .filter(Boolean)
    .map((word) => (word.startsWith(':') ? `By_${word.slice(1)}` : word))
    .flatMap((word) => word.split('_'));
  return method + words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('');
}

function pathParams(route: AnyRoute) {
  if (route.params) return { path: route.params as z.ZodObject };
  const names = [...route.path.matchAll(/:(\w+)/g)].map((match) => match[1]!);
  return names.length === 0 ? {} : { path: z.object(Object.fromEntries(names.map((name) => [name, z.string()]))) };
}

const KEY = z.guid().meta({ description: 'Names this request: the same key and body get the same answer.' });
const REQUEST_ID = z.string().max(128).optional().meta({ description: 'Echoed in the answer.' });
const ORGANIZATION = z.string().optional().meta({
  description: 'org_…; must be the organization of the credential. Required of OAuth clients of several organizations.',
});
const DPOP = z.string().optional().meta({ description: 'Proof of the key that the token is bound to (RFC 9449).' });
const SIGNATURE = z
  .string()
  .optional()
  .meta({
    description:
      'sha256= and the hexadecimal HMAC-SHA-256 of the body (with X-Signature-Timestamp: of the timestamp, a dot and the ' +
      'body); both are demanded of high-trust credentials.',
  });
const SIGNED_AT = z
  .string()
  .optional()
  .meta({ description: 'Unix seconds, at most 300 from now; part of the signature.' });

function headersOf(route: AnyRoute, isPublic: boolean) {
  return z.object({
    ...(route.idempotency === 'none'
      ? {}
      : { 'Idempotency-Key': route.idempotency === 'required' ? KEY : KEY.optional() }),
    'X-Request-Id': REQUEST_ID,
    ...(isPublic ? {} : { 'X-Kachyng-Org': ORGANIZATION }),
    ...(!isPublic || route.path === '/oauth/token' ? { DPoP: DPOP } : {}),
    ...(isPublic || route.method === 'get' ? {} : { 'X-Signature': SIGNATURE, 'X-Signature-Timestamp': SIGNED_AT }),
  });
}

function requestBody(route: AnyRoute) {
  const content = { schema: route.body!, ...(route.example === undefined ? {} : { example: route.example }) };
  return {
    required: true,
    content: {
      'application/json': content,
      ...(route.form ? { 'application/x-www-form-urlencoded': { schema: route.body! } } : {}),
    },
  };
}

function successes(route: AnyRoute) {
  return Object.fromEntries(
    Object.entries(route.responses).map(([status, doc]) => [
      status,
      'contentType' in doc
        ? {
            description: (doc as { description: string }).description,
            content: Object.fromEntries([doc.contentType, ...(doc.alsoAs ?? [])].map((type) => [type, {}])),
          }
        : jsonResponse(Number(status), doc),
    ]),
  );
}

function jsonResponse(status: number, schema: ResponseDoc) {
  const description = (schema as z.ZodType).description ?? PROBLEM_WORDS[status] ?? 'Success';
  return { description, content: { 'application/json': { schema: schema as z.ZodType } } };
}

/** Every refusal the pipeline itself can answer with; those of the handler among them. */
function refusals(route: AnyRoute, isPublic: boolean) {
  const mediaType = route.envelope === 'kakunin' ? 'application/json' : 'application/problem+json';
  const statuses = [
    400,
    ...(isPublic ? [] : [401, 403]),
    ...(route.path.includes(':') || route.body || route.mayBeAbsent ? [404] : []),
    ...(route.method === 'get' ? [] : [409, 413, 415, 422]),
    429,
    431,
    500,
    503,
  ];
  return Object.fromEntries(
    statuses
      .filter((status) => route.responses[status] === undefined)
      .map((status) => [
        status,
        { description: PROBLEM_WORDS[status]!, content: { [mediaType]: { schema: ProblemBody } } },
      ]),
  );
}
