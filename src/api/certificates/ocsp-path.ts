import type { RequestHandler } from 'express';

const PREFIX = '/ocsp/';

/**
 * RFC 6960 appendix A.1 puts base64 into the path, percent-encoded; many clients leave its `/` as it is. All of it
 * becomes one parameter.
 */
export const foldOcspPath: RequestHandler = (req, _res, next) => {
  if (req.method === 'GET' && req.url.startsWith(PREFIX)) {
    req.url = PREFIX + req.url.slice(PREFIX.length).replaceAll('/', '%2F');
  }
  next();
};
