import { PROBLEMS, Problem } from '../../domain/errors.ts';
import { SigningKeyAway } from '../../trust/pki/signing-key.ts';
import { invalidRequest } from './invalid-request.ts';

const PROBLEM_BASE = 'https://prokura.dev/problems/';

/** The body of every refusal (RFC 9457), with `error` for the certificate contract. */
export function problemBody(problem: Problem, instance: string, requestId: string): Record<string, unknown> {
  const { status, title } = PROBLEMS[problem.code];
  return {
    type: `${PROBLEM_BASE}${problem.code}`,
    title,
    status,
    detail: problem.message,
    instance,
    code: problem.code,
    error: problem.message,
    request_id: requestId,
    ...(problem.fields.length > 0 ? { errors: problem.fields } : {}),
    ...problem.members,
  };
}

/** Every failure as a refusal: ours as they are, those of the HTTP layer and of a dependency by their marks. */
export function toProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  const http = fromHttpLayer(error);
  if (http) return http;
  if (error instanceof SigningKeyAway) return new Problem('service_unavailable', `${error.message}.`, { cause: error });
  if (isDependencyAway(error)) {
    return new Problem('service_unavailable', 'A dependency is away; nothing was approved. Retry with the same key.', {
      cause: error,
    });
  }
  return new Problem('internal_error', 'The request failed; nothing was approved.', { cause: error });
}

/** Refusals of body-parser and of the router carry a `type` or a status. */
function fromHttpLayer(error: unknown): Problem | undefined {
  const { type, status } = Object(error) as { type?: unknown; status?: unknown };
  if (type === 'entity.too.large') {
    return new Problem('payload_too_large', 'The request body is larger than 1 MB.', {
      fields: [{ path: 'body', message: 'must not exceed 1 MB' }],
    });
  }
  if (type === 'encoding.unsupported') {
    return new Problem('unsupported_media_type', 'Send the body without Content-Encoding.', {
      fields: [{ path: 'Content-Encoding', message: 'is not supported' }],
    });
  }
  if (type === 'request.size.invalid') return invalidRequest('Content-Length', 'does not match the body');
  if (type === 'request.aborted') return invalidRequest('body', 'ended too early');
  if (error instanceof URIError || status === 400) return invalidRequest('path', 'is not a valid path');
  return undefined;
}

/** SQLSTATE classes of a server that is away, overloaded, stopping, or gave up on a wait (PostgreSQL Appendix A). */
const AWAY_SQLSTATE = /^(?:08|53|57)|^40(?:001|P01)$|^55P03$/;
const AWAY_ERRNO = new Set(
  'ECONNREFUSED ECONNRESET EPIPE ENOTFOUND ETIMEDOUT EHOSTUNREACH ENOENT SIGNER_AWAY CLOCK_SKEWED'.split(' '),
);
/** gRPC codes of a Temporal server that is away: cancelled, deadline, exhausted, unavailable. */
const AWAY_GRPC = new Set([1, 4, 8, 14]);
const AWAY_MESSAGES = [
  'timeout exceeded when trying to connect',
  'Connection terminated',
  'Client has encountered a connection error',
];

export function isDependencyAway(error: unknown, depth = 0): boolean {
  if (typeof error !== 'object' || error === null || depth > 5) return false;
  const { code, message, cause, errors } = error as {
    code?: unknown;
    message?: unknown;
    cause?: unknown;
    errors?: unknown;
  };
  if (typeof code === 'string' && (AWAY_SQLSTATE.test(code) || AWAY_ERRNO.has(code))) return true;
  if (typeof code === 'number' && AWAY_GRPC.has(code) && 'details' in error) return true;
  if (typeof message === 'string' && AWAY_MESSAGES.some((text) => message.includes(text))) return true;
  if (Array.isArray(errors) && errors.some((inner) => isDependencyAway(inner, depth + 1))) return true;
  return isDependencyAway(cause, depth + 1);
}
