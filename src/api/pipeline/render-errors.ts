import type { ErrorRequestHandler } from 'express';
import type { Logger } from 'pino';
import { holdsCardNumber } from './card-numbers.ts';
import { problemBody, toProblem } from './problem.ts';
import { stateOf } from './state.ts';

/** Seconds that a client is asked to wait when a dependency is away. */
const RETRY_AFTER_SECONDS = '2';

/** The one place where failures become answers. What the client may not see goes to the log. */
export function renderErrors(log: Logger): ErrorRequestHandler {
  return (error: unknown, req, res, next) => {
    const problem = toProblem(error);
    const { requestId, envelope } = stateOf(req);
    // Nothing is broken: no account of the organization can take the payment. Its own people look at that.
    if (problem.code === 'route_unavailable') {
      log.info({ request_id: requestId, code: problem.code }, problem.message);
    } else if (problem.status >= 500) {
      log.error(
        { request_id: requestId, code: problem.code, cause: causeOf(problem.cause ?? error) },
        'request failed',
      );
    }
    if (res.headersSent) return next(error);
    if (problem.status === 503 && !res.hasHeader('Retry-After')) res.setHeader('Retry-After', RETRY_AFTER_SECONDS);
    if (problem.status === 413 || problem.status === 431) res.setHeader('Connection', 'close');
    if (problem.replayed) res.setHeader('Idempotency-Replayed', 'true');
    res.status(problem.status);
    res.setHeader('Cache-Control', 'no-store');
    res.setHeader('Content-Type', `application/${envelope === 'kakunin' ? 'json' : 'problem+json'}; charset=utf-8`);
    res.end(JSON.stringify(problemBody(problem, pathOf(req.originalUrl), requestId)));
  };
}

/** Where it was sent, without the query; not said when a card number stands in it, since answers are kept and logged. */
function pathOf(url: string): string {
  const path = url.split('?')[0]!;
  return holdsCardNumber(path.replaceAll('%20', ' ')) ? '' : path;
}

/** Where it went wrong, without what was being worked on: errors of PostgreSQL quote values in their other members. */
function causeOf(error: unknown): object {
  if (!(error instanceof Error)) return { message: String(error) };
  const { name, message, stack } = error;
  return { name, message, code: (error as { code?: unknown }).code, stack };
}
