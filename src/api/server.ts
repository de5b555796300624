import { createServer, type Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Express } from 'express';
import { PROBLEMS, Problem } from '../domain/errors.ts';
import { toTypeId } from '../domain/ids.ts';
import { newId } from '../trust/new-id.ts';
import { problemBody } from './pipeline/problem.ts';

/** All headers of one request together, bytes; beyond it the parser gives up before the application is asked. */
const MAX_ALL_HEADERS_BYTES = 32_768;

/** The HTTP server under the application, with bounds on what a client may keep it waiting for. */
export function createApiServer(app: Express): Server {
  const server = createServer({ maxHeaderSize: MAX_ALL_HEADERS_BYTES }, app);
  server.requestTimeout = 30_000;
  server.headersTimeout = 10_000;
  server.keepAliveTimeout = 65_000;
  server.on('clientError', answerUnparsed);
  return server;
}

/** Answers what never became a request in the same form as every other refusal. */
function answerUnparsed(error: NodeJS.ErrnoException, socket: Socket): void {
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  const problem =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? new Problem('headers_too_large', 'The headers of the request are too long.', {
          fields: [{ path: 'headers', message: `must not exceed ${MAX_ALL_HEADERS_BYTES} bytes together` }],
        })
      : new Problem('invalid_request', 'This is not a well-formed HTTP request.');
  const requestId = toTypeId('req', newId());
  const body = JSON.stringify(problemBody(problem, '', requestId));
  const reason = problem.status === 431 ? 'Request Header Fields Too Large' : 'Bad Request';
  socket.end(
    `HTTP/1.1 ${PROBLEMS[problem.code].status} ${reason}\r\nConnection: close\r\nX-Request-Id: ${requestId}\r\n` +
      `Content-Type: application/problem+json; charset=utf-8\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}
