import { toTypeId, type IdPrefix, ID_PREFIXES } from '../../src/domain/ids.ts';
import { newId } from '../../src/trust/new-id.ts';
import { MEMBER_KINDS } from './known.ts';

/** One operation of the served document, with what the test has to fill in. */
export interface Operation {
  /** `POST /v1/agents/{id}/keys`: what a failure names. */
  name: string;
  method: string;
  path: string;
  isPublic: boolean;
  /** Any one of them suffices. */
  scopes: string[];
  pathParameters: { name: string; example: unknown }[];
  /** Ids that it takes and can do without: parameters of the query, and members of the body that are not in the example. */
  optionalIds: OptionalId[];
  takesBody: boolean;
  example: unknown;
  isList: boolean;
}

export interface OptionalId {
  where: 'query' | 'body';
  name: string;
  example: string;
}

interface Schema {
  $ref?: string;
  type?: string;
  example?: unknown;
  anyOf?: Schema[];
  properties?: Record<string, Schema>;
}
interface Parameter {
  in: string;
  name: string;
  schema?: Schema;
}
interface Documented {
  security: Record<string, string[]>[];
  parameters?: Parameter[];
  requestBody?: { content: Record<string, { schema?: Schema; example?: unknown } | undefined> };
  responses: Record<string, { content?: Record<string, { schema?: Schema }> }>;
}
export interface OpenApiDocument {
  paths: Record<string, Record<string, Documented>>;
  components?: { schemas?: Record<string, Schema> };
}

export function operationsOf(document: OpenApiDocument): Operation[] {
  const resolved = (schema: Schema | undefined): Schema =>
    schema?.$ref === undefined
      ? (schema ?? {})
      : (document.components?.schemas?.[schema.$ref.split('/').at(-1)!] ?? {});
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, one]) => {
      const parameters = one.parameters ?? [];
      const json = resolved(one.responses['200']?.content?.['application/json']?.schema);
      const body = one.requestBody?.content['application/json'];
      return {
        name: `${method.toUpperCase()} ${path}`,
        method: method.toUpperCase(),
        path,
        isPublic: one.security.length === 0,
        scopes: one.security.flatMap((way) => way['oauth'] ?? []),
        pathParameters: parameters
          .filter((parameter) => parameter.in === 'path')
          .map(({ name, schema }) => ({ name, example: schema?.example })),
        optionalIds: [
          ...parameters.flatMap(({ in: where, name, schema }) =>
            where === 'query' && isTypeId(schema?.example)
              ? [{ where: 'query' as const, name, example: schema.example }]
              : [],
          ),
          ...Object.entries(resolved(body?.schema).properties ?? {}).flatMap(([name, { example }]) =>
            isTypeId(example) && !Object.hasOwn(Object(body?.example) as object, name)
              ? [{ where: 'body' as const, name, example }]
              : [],
          ),
        ],
        takesBody: one.requestBody !== undefined,
        example: body?.example,
        isList: method === 'get' && json.properties?.['data']?.type === 'array',
      };
    }),
  );
}

/** The document gives the test no way to fill something in: the route needs an example, or an entry in `known.ts`. */
export class Unfillable extends Error {
  override readonly name = 'Unfillable';
}

/** A kind of id: the prefix of a TypeID, or what a member is called that holds another form of id. */
export type IdOf = (kind: string) => string;

/** A request with every id in it replaced, and the kinds that were. */
export interface Filled {
  path: string;
  body: unknown;
  kinds: string[];
}

/**
 * @param more one of `optionalIds` to send as well
 * @throws Unfillable naming the operation
 */
export function fill(operation: Operation, idOf: IdOf, more?: OptionalId): Filled {
  const kinds: string[] = [];
  const take = (kind: string, what: string) => {
    kinds.push(kind);
    const id = idOf(kind);
    if (!id) throw new Unfillable(`${operation.name}: nothing of the kind ${kind} was made, for ${what}`);
    return id;
  };
  let path = operation.path;
  for (const { name, example } of operation.pathParameters) {
    const kind = kindOf(operation, name, example);
    if (!kind) throw new Unfillable(`${operation.name}: the path parameter ${name} has no example that is an id`);
    path = path.replace(`{${name}}`, encodeURIComponent(take(kind, name)));
  }
  if (operation.takesBody && operation.example === undefined) {
    throw new Unfillable(`${operation.name}: its body has no example`);
  }
  const example =
    more?.where === 'body' ? { ...(operation.example as object), [more.name]: more.example } : operation.example;
  const body = replaceIds(operation, example, '', take);
  if (more?.where === 'query') {
    path += `?${new URLSearchParams({ [more.name]: take(kindOf(operation, more.name, more.example)!, more.name) }).toString()}`;
  }
  return { path, body, kinds };
}

/** An id of the kind that nobody has. */
export function unknownId(kind: string, real: string): string {
  if ((ID_PREFIXES as readonly string[]).includes(kind.split(':')[0]!)) {
    return toTypeId(kind.split(':')[0] as IdPrefix, newId());
  }
  // Of the same form, and not the same: its last letters and digits are others.
  const other = (c: string) => (/\d/.test(c) ? String((Number(c) + 5) % 10) : c === 'a' ? 'b' : 'a');
  return real.slice(0, -8) + real.slice(-8).replaceAll(/[0-9a-z]/g, other);
}

function replaceIds(
  operation: Operation,
  value: unknown,
  member: string,
  take: (kind: string, what: string) => string,
): unknown {
  if (Array.isArray(value)) return value.map((item) => replaceIds(operation, item, member, take));
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(
      Object.entries(value).map(([name, item]) => [name, replaceIds(operation, item, name, take)]),
    );
  }
  const kind = kindOf(operation, member, value);
  if (kind) return take(kind, member);
  if (typeof value === 'string' && value.includes('…')) {
    throw new Unfillable(`${operation.name}: the example of ${member} is a placeholder`);
  }
  return value;
}

function kindOf({ path }: Operation, member: string, example: unknown): string | undefined {
  const [, here] =
    Object.entries(MEMBER_KINDS).find(([name]) => {
      const [under, of] = name.split(' ');
      return of === member && path.startsWith(under!);
    }) ?? [];
  return here ?? MEMBER_KINDS[member] ?? (isTypeId(example) ? example.split('_')[0]! : undefined);
}

const TYPE_ID = new RegExp(`^(?:${ID_PREFIXES.join('|')})_[0-7][0-9a-hjkmnp-tv-z]{25}$`);

export function isTypeId(value: unknown): value is string {
  return typeof value === 'string' && TYPE_ID.test(value);
}
