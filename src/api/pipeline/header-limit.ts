import type { RequestHandler } from 'express';
import { Problem } from '../../domain/errors.ts';

/** Longest header accepted, in characters. All headers together are bounded by the server (`src/api/server.ts`). */
export const MAX_HEADER_LENGTH = 8_192;

/** Refuses over-long headers by name (RFC 6585 §5). */
export const refuseLongHeaders: RequestHandler = (req, _res, next) => {
  const raw = req.rawHeaders;
  for (let i = 1; i < raw.length; i += 2) {
    if (raw[i]!.length > MAX_HEADER_LENGTH) {
      const name = raw[i - 1]!.slice(0, 128);
      throw new Problem('headers_too_large', `The header ${name} is longer than ${MAX_HEADER_LENGTH} characters.`, {
        fields: [{ path: name, message: `must not exceed ${MAX_HEADER_LENGTH} characters` }],
      });
    }
  }
  next();
};
