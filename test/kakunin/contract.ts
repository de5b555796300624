import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { VECTORS } from '../conformance/vectors.ts';

/** The published contract: `KAKUNIN_OPENAPI`, or `reference/kakunin-openapi.json` beside the published vectors. */
export const CONTRACT = process.env['KAKUNIN_OPENAPI'] ?? join(VECTORS, '..', 'reference', 'kakunin-openapi.json');
export const haveContract = existsSync(CONTRACT);
export const NO_CONTRACT = `the published contract is not at ${CONTRACT} (set KAKUNIN_OPENAPI)`;

type Schema = Record<string, unknown>;
interface Media {
  content?: Record<string, { schema: Schema }>;
}
interface Operation {
  parameters?: { name: string; in: 'path' | 'query'; required?: boolean; schema: Schema }[];
  requestBody?: Media & { required?: boolean };
  responses: Record<string, Media>;
}
export interface ContractDocument {
  openapi: string;
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, Schema> };
}

export interface Exchange {
  method: string;
  /** With its query. */
  path: string;
  body?: unknown;
  status: number;
  contentType: string | undefined;
  answer: unknown;
}

/** A request or an answer is not as the published contract has it. */
export class ContractBroken extends Error {
  override readonly name = 'ContractBroken';
}

/** Refusals of every route, which the contract takes for granted; they have its error body too. */
const ALWAYS_POSSIBLE = new Set([400, 401, 403, 404, 409, 413, 415, 422, 429, 500, 503]);
const NOT_JSON: Record<string, readonly string[]> = { '/v1/crl': ['application/pkix-crl', 'text/plain'] };

export function readContract(): ContractDocument {
  return JSON.parse(readFileSync(CONTRACT, 'utf8')) as ContractDocument;
}

/** Holds exchanges against the contract, and remembers which operations and statuses were seen. */
export class Contract {
  readonly document = readContract();
  /** `POST /v1/agents 201` */
  readonly seen = new Set<string>();
  readonly #ajv = new Ajv2020({ strict: false, allErrors: true });
  readonly #compiled = new Map<string, ValidateFunction>();

  constructor() {
    addFormats.default(this.#ajv);
    this.#ajv.addSchema({ $id: 'contract', ...(modern({ components: this.document.components }) as Schema) });
  }

  /** Every operation with each of its statuses, as `seen` names them. */
  get all(): string[] {
    return Object.entries(this.document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).flatMap(([method, { responses }]) =>
        Object.keys(responses).map((status) => `${method.toUpperCase()} ${path} ${status}`),
      ),
    );
  }

  /**
   * The status is one of the operation's or a refusal that every route has, its body and media type are as written; a
   * request that was accepted had parameters and a body as written.
   * @throws ContractBroken when not, or when the path is none of the contract
   */
  check({ method, path, body, status, contentType, answer }: Exchange): void {
    const [pathname, query] = path.split('?');
    const template = Object.keys(this.document.paths).find((one) =>
      new RegExp(`^${one.replaceAll(/\{\w+\}/g, '[^/]+')}$`).test(pathname!),
    );
    const operation = template && this.document.paths[template]![method.toLowerCase()];
    if (!template || !operation) throw new ContractBroken(`${method} ${pathname} is not in the contract`);
    const name = `${method.toUpperCase()} ${template}`;
    const documented = operation.responses[status];
    if (!documented && !ALWAYS_POSSIBLE.has(status)) throw new ContractBroken(`${name} answers ${status}`);
    if (status < 400) this.#checkRequest(name, operation, { pathname: pathname!, template, query, body });
    const mediaType = contentType?.split(';')[0];
    if (status < 400 && NOT_JSON[template]) {
      if (!NOT_JSON[template].includes(mediaType!)) throw new ContractBroken(`${name} answers as ${mediaType}`);
    } else {
      if (mediaType !== 'application/json') throw new ContractBroken(`${name} ${status} answers as ${mediaType}`);
      const schema = documented?.content?.['application/json']?.schema ?? {
        $ref: '#/components/schemas/ErrorResponse',
      };
      this.#validate(`${name} ${status}`, schema, answer);
      if (status >= 400 && typeof (answer as { code?: unknown }).code !== 'string') {
        throw new ContractBroken(`${name} ${status} has no code`);
      }
    }
    this.seen.add(`${name} ${status}`);
  }

  #checkRequest(
    name: string,
    { parameters = [], requestBody }: Operation,
    { pathname, template, query, body }: { pathname: string; template: string; query?: string; body: unknown },
  ): void {
    const given = new URLSearchParams(query);
    const names = [...template.matchAll(/\{(\w+)\}/g)].map((match) => match[1]!);
    const values = new RegExp(`^${template.replaceAll(/\{\w+\}/g, '([^/]+)')}$`).exec(pathname)!.slice(1);
    for (const { name: parameter, in: where, required, schema } of parameters) {
      const text = where === 'query' ? given.get(parameter) : values[names.indexOf(parameter)];
      if (text == null) {
        if (required) throw new ContractBroken(`${name}: ${parameter} is missing`);
        continue;
      }
      const value = schema['type'] === 'number' ? Number(text) : decodeURIComponent(text);
      this.#validate(`${name} parameter ${parameter}`, schema, value);
    }
    const schema = requestBody?.content?.['application/json']?.schema;
    if (schema && (requestBody.required || body !== undefined)) this.#validate(`${name} request`, schema, body);
  }

  #validate(what: string, schema: Schema, value: unknown): void {
    let validate = this.#compiled.get(what);
    if (!validate) {
      const text = JSON.stringify(modern(schema)).replaceAll('"#/components', '"contract#/components');
      this.#compiled.set(what, (validate = this.#ajv.compile(JSON.parse(text) as Schema)));
    }
    if (validate(value)) return;
    throw new ContractBroken(`${what}: ${this.#ajv.errorsText(validate.errors)}\n${JSON.stringify(value, null, 2)}`);
  }
}

/** OpenAPI 3.0 writes `nullable` and a boolean `exclusiveMinimum` where JSON Schema has a type and a number. */
function modern(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(modern);
  if (typeof schema !== 'object' || schema === null) return schema;
  const { nullable, exclusiveMinimum, minimum, ...rest } = schema as Schema;
  const copy: Schema = Object.fromEntries(Object.entries(rest).map(([name, value]) => [name, modern(value)]));
  if (exclusiveMinimum === true) copy['exclusiveMinimum'] = minimum;
  else if (minimum !== undefined) copy['minimum'] = minimum;
  if (nullable !== true || copy['type'] === undefined) return copy;
  return { anyOf: [copy, { type: 'null' }] };
}
