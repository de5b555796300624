import { nextFreePort } from '../../src/cli/provision/ports.ts';

/** Below the range from which systems give ports to outgoing connections, and, as the server's schema demands, below 2^15. */
const LOWEST = 19_000;
const SPREAD = 8_000;

/** Loopback ports that are free now, all different. They start at a random place, so that runs side by side keep apart. */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  let next = LOWEST + Math.floor(Math.random() * SPREAD);
  while (ports.length < count) {
    const port = await nextFreePort(next);
    ports.push(port);
    next = port + 1;
  }
  return ports;
}
