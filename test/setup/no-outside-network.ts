import { isIP, Socket } from 'node:net';
import type { LookupAddress } from 'node:dns';

/**
 * Tests talk to this machine alone: a connection elsewhere throws instead of passing or failing by the weather.
 * (Name resolution without a connection and the Temporal SDK's native client are not covered.)
 */
export class OutsideNetworkError extends Error {
  override readonly name = 'OutsideNetworkError';
  constructor(host: string) {
    super(`a test tried to connect to ${host}: tests use loopback only`);
  }
}

function isLoopback(host: string): boolean {
  const name = host.toLowerCase().replace(/^\[|\]$/g, '');
  if (name === 'localhost' || name === '::1' || name === '0.0.0.0' || name === '::') return true;
  return isIP(name) === 4 ? name.startsWith('127.') : name.startsWith('::ffff:127.');
}

type Lookup = (host: string, options: object, callback: (...answer: unknown[]) => void) => void;
interface Target {
  host?: string;
  path?: string;
  lookup?: Lookup;
}

/** A test may bring its own resolver for an invented name; then what the resolver answers is checked. */
function checkedLookup(lookup: Lookup): Lookup {
  return (host, options, callback) =>
    lookup(host, options, (error, address, ...rest) => {
      const addresses = Array.isArray(address) ? (address as LookupAddress[]).map((a) => a.address) : [String(address)];
      const outside = error ? undefined : addresses.find((candidate) => !isLoopback(candidate));
      if (outside === undefined) callback(error, address, ...rest);
      else callback(new OutsideNetworkError(`${host} (${outside})`));
    });
}

// `net.connect` hands its normalized arguments on as one array; everything else passes options, or port and host.
function targetOf(args: unknown[]): Target {
  const [first, second]: unknown[] = Array.isArray(args[0]) ? args[0] : args;
  if (typeof first === 'object' && first !== null) return first;
  return typeof first === 'string' && !/^\d+$/.test(first) ? { path: first } : { host: second as string | undefined };
}

/** Throws for a target elsewhere; a resolver that the caller brought is wrapped, so that it is checked when it answers. */
function check(target: Target): void {
  const { host, lookup } = target;
  if (target.path !== undefined || typeof host !== 'string' || isLoopback(host)) return;
  if (isIP(host) !== 0 || !lookup) throw new OutsideNetworkError(host);
  target.lookup = checkedLookup(lookup);
}

const guarded = Symbol.for('prokura.test.loopback-only');
if (!(guarded in Socket.prototype)) {
  // oxlint-disable-next-line typescript/unbound-method -- the proxy calls it with its socket
  Socket.prototype.connect = new Proxy(Socket.prototype.connect, {
    apply(connect, socket, args: unknown[]) {
      check(targetOf(args));
      return Reflect.apply(connect, socket, args) as Socket;
    },
  });
  Object.defineProperty(Socket.prototype, guarded, { value: true });
}
