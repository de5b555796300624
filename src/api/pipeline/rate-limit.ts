import type { RequestHandler, Response } from 'express';
import { Problem } from '../../domain/errors.ts';
import { credentialsOf } from '../access/credentials.ts';
import type { ApiDeps } from '../deps.ts';
import type { AnyRoute } from '../route.ts';
import { presented } from './authenticate.ts';
import { clientNetwork } from './client-address.ts';
import { RateExchange, SharedLimit, type Standing } from './shared-limit.ts';
import { stateOf } from './state.ts';

/** The steps that hold a route's callers to their limits. */
export interface RateLimits {
  /** Before the credential is looked at: by address, and by what went wrong from there. */
  byAddress(route: AnyRoute): RequestHandler[];
  /** By address, for a route that has a limit of its own. */
  ofRoute(route: AnyRoute): RequestHandler[];
  /** Once it is known whose request it is. */
  byCredential(): RequestHandler[];
}

/**
 * Limits by credential and by address, and a strict one on refused credentials (answers 401) by address, so that nobody
 * guesses fast; a credential that is known to be good is not hindered by the guesses of its neighbours. A setting of 0
 * switches its limit off. Probes (`/health`, `/ready`, `/metrics`) are never limited.
 */
export function createRateLimits({ config, pool, log }: Pick<ApiDeps, 'config' | 'pool' | 'log'>): RateLimits {
  const exchange = new RateExchange(pool, log);
  const limit = (policy: string, quota: number) =>
    quota > 0 ? new SharedLimit(policy, quota, config.RATE_LIMIT_WINDOW_SECONDS, exchange) : undefined;
  const credential = limit('credential', config.RATE_LIMIT_PER_CREDENTIAL);
  const address = limit('address', config.RATE_LIMIT_PER_IP);
  const failures = limit('failures', config.RATE_LIMIT_FAILURES_PER_IP);
  const own = new Map<string, SharedLimit | undefined>();
  /** Routes that share a limit share its counters. */
  const ownLimit = (name: NonNullable<AnyRoute['limitedBy']>) => {
    if (!own.has(name)) own.set(name, limit(OWN_POLICIES[name], config[name]));
    return own.get(name);
  };
  const credentials = credentialsOf(pool);

  const slowDownGuesses: RequestHandler = async (req, res, next) => {
    const network = clientNetwork(req.ip);
    const standing = await failures!.standing(network);
    if (!standing.allowed) {
      const given = presented(req);
      if (!given || !credentials.remembers(given.secret)) {
        show(res, failures!, standing);
        throw tooMany('Too many refused credentials came from this address.', standing);
      }
    }
    res.once('finish', () => {
      if (res.statusCode === 401) void failures!.take(network);
    });
    next();
  };
  const limitAddress: RequestHandler = async (req, res, next) => {
    const standing = await address!.take(clientNetwork(req.ip));
    show(res, address!, standing);
    if (!standing.allowed) throw tooMany('Too many requests came from this address.', standing);
    next();
  };
  const limitCredential: RequestHandler = async (req, res, next) => {
    const standing = await credential!.take(stateOf(req).access!.id);
    show(res, credential!, standing);
    if (!standing.allowed) throw tooMany('Too many requests came with this credential.', standing);
    next();
  };
  return {
    byAddress(route) {
      if (route.tags.includes('System')) return [];
      const nothingToGuess = route.scope === 'public' && route.method === 'get';
      return [...(failures && !nothingToGuess ? [slowDownGuesses] : []), ...(address ? [limitAddress] : [])];
    },
    ofRoute({ limitedBy }) {
      const own = limitedBy && ownLimit(limitedBy);
      if (!own) return [];
      return [
        async (req, res, next) => {
          const standing = await own.take(clientNetwork(req.ip));
          show(res, own, standing);
          if (!standing.allowed) throw tooMany('Too many of these requests came from this address.', standing);
          next();
        },
      ];
    },
    byCredential: () => (credential ? [limitCredential] : []),
  };
}

const OWN_POLICIES = { RATE_LIMIT_VERIFY_PER_IP: 'verify' } as const;

/** `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10): one member for each limit that holds. */
function show(res: Response, { policy, quota, windowSeconds }: SharedLimit, standing: Standing): void {
  append(res, 'RateLimit-Policy', `"${policy}";q=${quota};w=${windowSeconds}`);
  append(res, 'RateLimit', `"${policy}";r=${standing.remaining};t=${standing.resetSeconds}`);
  if (!standing.allowed) res.setHeader('Retry-After', String(standing.resetSeconds));
}

function append(res: Response, name: string, member: string): void {
  const before = res.getHeader(name);
  res.setHeader(name, before === undefined ? member : `${before as string}, ${member}`);
}

function tooMany(detail: string, { resetSeconds }: Standing): Problem {
  return new Problem('rate_limited', `${detail} Wait ${resetSeconds} s.`);
}
