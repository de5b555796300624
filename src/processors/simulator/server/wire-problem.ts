import type { ErrorRequestHandler, RequestHandler } from 'express';
import type { z } from 'zod';
import type { WireError } from '../wire.ts';

/** A refusal of the request itself, in the wire's error shape. */
export class WireProblem extends Error {
  readonly status: number;
  readonly body: WireError;

  constructor(status: number, code: string, message: string, errors?: WireError['errors']) {
    super(message);
    this.name = 'WireProblem';
    this.status = status;
    this.body = { code, message, ...(errors ? { errors } : {}) };
  }
}

/** @throws WireProblem 400, naming each offending member. */
export function parse<S extends z.ZodType>(schema: S, value: unknown): z.infer<S> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const errors = result.error.issues.flatMap((issue) =>
    issue.code === 'unrecognized_keys'
      ? issue.keys.map((key) => ({ path: [...issue.path, key].join('.'), message: 'is not a known member' }))
      : [{ path: issue.path.join('.'), message: issue.message }],
  );
  const named = errors.map((error) => `${error.path || 'body'}: ${error.message}`).join('; ');
  throw new WireProblem(400, 'invalid_request', named, errors);
}

export const notFound: RequestHandler = () => {
  throw new WireProblem(404, 'not_found', 'There is no such path.');
};

/** Problems of a request are rendered; anything else is reported, and answered with a 500 that promises nothing. */
export function renderProblem(report: (error: unknown) => void): ErrorRequestHandler {
  return (error: unknown, _req, res, next) => {
    if (res.headersSent || res.destroyed) return next(error);
    if (error instanceof WireProblem) return void res.status(error.status).json(error.body);
    const { status, message } = error as { status?: unknown; message?: string };
    if (typeof status === 'number' && status >= 400 && status < 500) {
      return void res.status(status).json({ code: 'invalid_request', message });
    }
    report(error);
    // The transaction may have committed before the connection to the database broke.
    res.status(500).json({ code: 'internal_error', message: 'Something failed.' } satisfies WireError);
  };
}
