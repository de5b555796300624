import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { allRoutes, type ApiDeps } from '../../src/api/app.ts';
import { openApiDocument } from '../../src/api/system/openapi.ts';

interface Document {
  paths: Record<
    string,
    Record<string, { responses: Record<string, { content?: Record<string, { schema?: object }> }> }>
  >;
  components: { schemas: Record<string, object> };
}

interface AnswerLike {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: unknown;
}

/** An answer is not what the OpenAPI document says. */
export class UndocumentedAnswer extends Error {
  override readonly name = 'UndocumentedAnswer';
}

/**
 * A check of answers against the served document: status, media type and body. Paths that are in no document (404 of
 * unknown paths, 405) are let through.
 */
export function answersOf(deps: ApiDeps): (method: string, path: string, answer: AnswerLike) => void {
  const document = JSON.parse(JSON.stringify(openApiDocument(allRoutes(deps), 'http://api.test'))) as Document;
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  addFormats.default(ajv);
  ajv.addSchema({ $id: 'openapi', components: document.components });
  const templates = Object.keys(document.paths)
    .sort((a, b) => Number(a.includes('{')) - Number(b.includes('{')))
    .map((template) => ({
      template,
      matches: new RegExp(`^${template.replaceAll(/[.]/g, String.raw`\.`).replaceAll(/\{\w+\}/g, '[^/]+')}$`),
    }));
  const compiled = new Map<string, ValidateFunction>();

  return (method, path, answer) => {
    const pathname = path.split('?')[0]!;
    const template = templates.find(({ matches }) => matches.test(pathname))?.template;
    const operation = template && document.paths[template]![method.toLowerCase()];
    if (!template || !operation) return;
    const at = `${method} ${template} ${answer.status}`;
    const response = operation.responses[answer.status];
    if (!response) throw new UndocumentedAnswer(`${at}: the status is not documented: ${JSON.stringify(answer.body)}`);
    const mediaType = String(answer.headers['content-type'] ?? '').split(';')[0]!;
    const content = response.content?.[mediaType];
    if (!content) throw new UndocumentedAnswer(`${at}: ${mediaType || 'no media type'} is not documented`);
    if (!content.schema) return;
    let validate = compiled.get(at);
    if (!validate) {
      const schema = JSON.parse(
        JSON.stringify(content.schema).replaceAll('"#/components', '"openapi#/components'),
      ) as object;
      compiled.set(at, (validate = ajv.compile(schema)));
    }
    if (!validate(answer.body)) {
      throw new UndocumentedAnswer(
        `${at}: ${ajv.errorsText(validate.errors)}\n${JSON.stringify(answer.body, null, 2)}`,
      );
    }
  };
}
