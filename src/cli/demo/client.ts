import { randomUUID } from 'node:crypto';
import { messageOf } from '../output.ts';

/** Longer than the API's own bounded wait: a call that takes this long is a fault, not a slow answer. */
const TIMEOUT_MS = 30_000;

/** An answer other than the ones expected, or none at all. The message is for people; it holds no credential. */
export class UnexpectedAnswer extends Error {
  override readonly name = 'UnexpectedAnswer';
  /** Whether there was an answer. */
  readonly answered: boolean;

  constructor(message: string, answered = true) {
    super(message);
    this.answered = answered;
  }
}

export interface Answer<Body> {
  status: number;
  body: Body;
}

/** Members that every refusal has (RFC 9457 and `code`), and those that some add. */
export interface Refusal {
  code: string;
  detail?: string;
  attempts_left?: number;
}

/** One side of the wire: the API with its credential, or the processor simulator without one. */
export interface Client {
  /** @throws UnexpectedAnswer unless the answer is 200 */
  get<Body>(path: string): Promise<Body>;
  /**
   * Sends `body` under an Idempotency-Key of its own.
   * @param expected statuses that are taken for an answer; any 2xx when not given
   * @throws UnexpectedAnswer for every other status
   */
  post<Body>(path: string, body: unknown, expected?: number[]): Promise<Answer<Body>>;
}

/** A client of the service at `baseUrl`. */
export function createClient(baseUrl: string, apiKey?: string): Client {
  const credential: Record<string, string> = apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` };

  async function call(method: string, path: string, more: RequestInit): Promise<Answer<unknown>> {
    const request = { method, redirect: 'manual' as const, signal: AbortSignal.timeout(TIMEOUT_MS), ...more };
    try {
      const response = await fetch(`${baseUrl}${path}`, request);
      const text = await response.text();
      return { status: response.status, body: text === '' ? undefined : JSON.parse(text) };
    } catch (error) {
      const cause = error instanceof Error && error.cause !== undefined ? `: ${messageOf(error.cause)}` : '';
      throw new UnexpectedAnswer(`${method} ${path} got no usable answer: ${messageOf(error)}${cause}`, false);
    }
  }

  return {
    async get<Body>(path: string) {
      const { status, body } = await call('GET', path, { headers: credential });
      if (status !== 200) throw unexpected('GET', path, status, body);
      return body as Body;
    },
    async post<Body>(path: string, body: unknown, expected?: number[]) {
      const headers = { ...credential, 'content-type': 'application/json', 'idempotency-key': randomUUID() };
      const answer = await call('POST', path, { headers, body: JSON.stringify(body) });
      const taken = expected ? expected.includes(answer.status) : answer.status >= 200 && answer.status < 300;
      if (!taken) throw unexpected('POST', path, answer.status, answer.body);
      return answer as Answer<Body>;
    },
  };
}

function unexpected(method: string, path: string, status: number, body: unknown): UnexpectedAnswer {
  const { code, detail, errors } = (body ?? {}) as Partial<Refusal> & { errors?: { path: string; message: string }[] };
  // The detail is the first of them where there is one alone.
  const fields = (errors ?? [])
    .map((field) => `${field.path} ${field.message}`)
    .filter((field) => !detail?.startsWith(field));
  const said = [code, detail, ...fields].filter((part) => part !== undefined).join(', ');
  return new UnexpectedAnswer(`${method} ${path} answered ${status}${said && ` (${said})`}`);
}
