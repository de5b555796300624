import { BlockList, isIP } from 'node:net';
import type { Config } from '../../config.ts';
import { refusalOf } from '../../domain/webhooks/address.ts';
import { invalidRequest } from '../pipeline/invalid-request.ts';

/** Ranges of the IANA special-purpose registries that are no address of a processor. */
const PRIVATE = new BlockList();
for (const [network, bits] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['224.0.0.0', 3],
] as const) {
  PRIVATE.addSubnet(network, bits, 'ipv4');
}
for (const [network, bits] of [
  ['::', 127],
  ['::ffff:0:0', 96],
  ['64:ff9b::', 96],
  ['fc00::', 7],
  ['fe80::', 10],
  ['ff00::', 8],
] as const) {
  PRIVATE.addSubnet(network, bits, 'ipv6');
}

/**
 * The root of a processor's API, without a slash at its end. Outside development it is https, and no address or name of
 * this machine or of a private network; what a public name resolves to is left to the network that the workers are in.
 * @throws Problem `invalid_request` naming `base_url`
 */
export function baseUrlOf(text: string, config: Pick<Config, 'PROCESSOR_ALLOW_PRIVATE' | 'PROKURA_ENV'>): string {
  const allowPrivate = config.PROCESSOR_ALLOW_PRIVATE || config.PROKURA_ENV === 'development';
  const refusal = refusalOf(text, allowPrivate) ?? (allowPrivate ? undefined : privateRefusal(new URL(text)));
  if (refusal !== undefined) throw invalidRequest('base_url', refusal);
  const { origin, pathname, search } = new URL(text);
  if (search !== '') throw invalidRequest('base_url', 'must not have a query');
  return (origin + pathname).replace(/\/+$/, '');
}

function privateRefusal({ hostname }: URL): string | undefined {
  const host = hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '');
  const family = isIP(host);
  const isPrivate =
    family === 0
      ? !host.includes('.') || /(?:^|\.)(?:localhost|local|internal|home\.arpa|lan)$/.test(host)
      : PRIVATE.check(host, family === 6 ? 'ipv6' : 'ipv4');
  return isPrivate ? 'must not be an address of this machine or of a private network' : undefined;
}
