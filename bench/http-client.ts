import { Agent, request } from 'node:http';

/** A kept-alive connection per request in flight: what a client library would do, and nothing more. */
const agent = new Agent({ keepAlive: true, maxSockets: Infinity, scheduling: 'lifo' });

/** A client that waited longer would have given up. */
const PATIENCE_MS = 60_000;

/**
 * Posts `body` as JSON and returns the parsed answer.
 * @throws Error with status and body when the answer is not 2xx, or the connection breaks
 */
export function post<Answer>(url: URL, body: object, headers: Record<string, string> = {}): Promise<Answer> {
  const text = JSON.stringify(body);
  return new Promise((resolve, reject) => {
    const call = request(url, {
      agent,
      method: 'POST',
      timeout: PATIENCE_MS,
      headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text), ...headers },
    });
    call.on('timeout', () => call.destroy(new Error(`no answer within ${PATIENCE_MS} ms`)));
    call.on('error', reject);
    call.on('response', (response) => {
      let answer = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => (answer += chunk));
      response.on('error', reject);
      response.on('end', () => {
        const { statusCode = 0 } = response;
        if (statusCode < 200 || statusCode > 299) reject(new Error(`HTTP ${statusCode} ${url.pathname}: ${answer}`));
        else resolve((answer === '' ? undefined : JSON.parse(answer)) as Answer);
      });
    });
    call.end(text);
  });
}
