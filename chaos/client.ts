import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../src/cli/output.ts';

/** One try of a request. */
export interface Try {
  at: string;
  /** Absent when there was no answer. */
  status?: number;
  error?: string;
}

/** A request as its client saw it: all tries under one key, and the answer that ended them. */
export interface Request {
  key: string;
  method: 'GET' | 'POST';
  path: string;
  body: unknown;
  /** `stranger` is a credential of another organization. */
  as: 'tenant' | 'stranger';
  tries: Try[];
  status?: number;
  text?: string;
  /** A request that was sent before, with the same key: `same` body or an `other` one. */
  again?: { of: string; body: 'same' | 'other' };
}

export interface Answered<Body> {
  status: number;
  body: Body;
}

/** A client that does what a careful one does: it asks again, with the same key, until there is an answer. */
export interface PatientClient {
  post<Body>(
    path: string,
    body: unknown,
    more?: { again?: Request['again']; key?: string },
  ): Promise<Answered<Body> | undefined>;
  get<Body>(path: string, as?: Request['as']): Promise<Answered<Body> | undefined>;
}

const TRY_MS = 15_000;
/** How long one request is insisted on: longer than anything is down. */
const PATIENCE_MS = 90_000;
const PAUSE_MS = 400;

/** Every request that was made, for the properties and for the history of a violation. */
export type Journal = Request[];

/**
 * @param stopped when true, nothing is asked again any more
 * @returns `undefined` from its calls when there was no final answer within its patience
 */
export function patientClient(given: {
  url: string;
  keys: Record<Request['as'], string>;
  journal: Journal;
  stopped: () => boolean;
}): PatientClient {
  const { url, keys, journal, stopped } = given;

  async function insist<Body>(request: Request): Promise<Answered<Body> | undefined> {
    journal.push(request);
    const deadline = Date.now() + PATIENCE_MS;
    for (;;) {
      const one: Try = { at: new Date().toISOString() };
      request.tries.push(one);
      try {
        const response = await fetch(`${url}${request.path}`, {
          method: request.method,
          signal: AbortSignal.timeout(TRY_MS),
          headers: {
            authorization: `Bearer ${keys[request.as]}`,
            ...(request.method === 'POST' && { 'content-type': 'application/json', 'idempotency-key': request.key }),
          },
          ...(request.method === 'POST' && { body: JSON.stringify(request.body) }),
        });
        const text = await response.text();
        one.status = response.status;
        if (response.status < 500 && response.status !== 429) {
          request.status = response.status;
          // What names the request itself differs from one try to the next, and is the only thing that may.
          request.text = text.replace(/"request_id":"[^"]*"/, '"request_id":""');
          return { status: response.status, body: JSON.parse(text) as Body };
        }
      } catch (error) {
        one.error = messageOf(error);
      }
      if (Date.now() > deadline || stopped()) return undefined;
      await sleep(PAUSE_MS);
    }
  }

  return {
    post: (path, body, { again, key = randomUUID() } = {}) =>
      insist({ key, method: 'POST', path, body, as: 'tenant', tries: [], ...(again && { again }) }),
    get: (path, as = 'tenant') => insist({ key: randomUUID(), method: 'GET', path, body: undefined, as, tries: [] }),
  };
}
