import express, { type RequestHandler } from 'express';
import { Problem } from '../../domain/errors.ts';
import type { AnyRoute } from '../route.ts';
import { invalidRequest } from './invalid-request.ts';
import { stateOf } from './state.ts';
import { findBadText } from './bad-text.ts';
import { findCardNumber, mayHoldCardNumber, refuseCardNumber } from './card-numbers.ts';

/** Largest body, bytes. */
export const MAX_BODY_BYTES = 1_048_576;

type BodyFacts = Pick<AnyRoute, 'form' | 'takes' | 'isProcessorNews'>;

const JSON_TYPE = /^application\/(?:[\w.+-]+\+)?json\s*(?:;|$)/i;
const FORM_TYPE = /^application\/x-www-form-urlencoded\s*(?:;|$)/i;
const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Collects the body's bytes, refusing more than 1 MB (413) and content codings (415): signatures cover what came. */
export const readRawBody: RequestHandler = (req, res, next) => {
  collect(req, res, (error?: unknown) => {
    if (error) return next(error);
    stateOf(req).rawBody = Buffer.isBuffer(req.body) ? req.body : Buffer.alloc(0);
    next();
  });
};
const collect = express.raw({ type: () => true, limit: MAX_BODY_BYTES, inflate: false });

/**
 * Parses the body, which must be UTF-8 JSON, or a form where the route takes one; bytes of the media type that the route
 * takes are left as they are. No body at all is `undefined`.
 */
export function parseBody({ form, takes, isProcessorNews }: BodyFacts): RequestHandler {
  return (req, _res, next) => {
    const state = stateOf(req);
    const raw = state.rawBody!;
    const type = req.headers['content-type'];
    if (takes !== undefined) {
      if (type?.split(';')[0]!.trim().toLowerCase() === takes) return next();
      throw new Problem('unsupported_media_type', `Send the body as ${takes}, not as ${type ?? 'untyped bytes'}.`, {
        fields: [{ path: 'Content-Type', message: `must be ${takes}` }],
      });
    }
    if (raw.length === 0) return next();
    let suspicious = true;
    if (form && type !== undefined && FORM_TYPE.test(type)) {
      state.json = Object.fromEntries(new URLSearchParams(decode(raw)));
    } else if (type !== undefined && JSON_TYPE.test(type)) {
      const text = decode(raw);
      suspicious = mayHoldCardNumber(text);
      state.json = parseJson(text);
    } else {
      throw new Problem(
        'unsupported_media_type',
        `Send the body as application/json, not as ${type ?? 'untyped bytes'}.`,
        {
          fields: [{ path: 'Content-Type', message: 'must be application/json' }],
        },
      );
    }
    const bad = findBadText(state.json);
    if (bad) throw invalidRequest(bad.path || 'body', bad.message);
    if (suspicious && !isProcessorNews) refuseCardNumber(findCardNumber(state.json));
    next();
  };
}

function decode(raw: Buffer): string {
  try {
    return utf8.decode(raw);
  } catch {
    throw invalidRequest('body', 'is not valid UTF-8');
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw invalidRequest('body', `is not valid JSON: ${reason(error)}`);
  }
}

/** The parser's own words, without the excerpt of the body that V8 appends: it may hold secrets. */
function reason(error: unknown): string {
  const message = error instanceof Error ? error.message : 'unreadable';
  const position = /at position \d+(?: \(line \d+ column \d+\))?/.exec(message)?.[0];
  return position ? `unexpected content ${position}` : 'it ends too early or holds an unexpected character';
}
