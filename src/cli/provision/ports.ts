import { createServer } from 'node:net';
import { CommandError } from '../output.ts';

const LAST_PORT = 65_535;

/** Whether `port` can be listened on at `host` now. Another process may still take it before it is used. */
export async function isPortFree(port: number, host = '127.0.0.1'): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host, exclusive: true }, () => server.close(() => resolve(true)));
  });
}

/**
 * The first free port from `from` upwards that is not in `taken`.
 * @throws CommandError when there is none
 */
export async function nextFreePort(
  from: number,
  taken: ReadonlySet<number> = new Set(),
  host?: string,
): Promise<number> {
  for (let port = from; port <= LAST_PORT; port++) {
    if (!taken.has(port) && (await isPortFree(port, host))) return port;
  }
  throw new CommandError(`No free port from ${from} upwards.`);
}

/** The port that was asked for is in use; `free` is the next one that is not. */
export class PortBusyError extends CommandError {
  readonly port: number;
  readonly free: number;
  constructor(label: string, port: number, free: number, advice: string) {
    super(`Port ${port} (${label}) is in use; the next free one is ${free}. ${advice}`);
    this.port = port;
    this.free = free;
  }
}

/** What each part listens on; all different. */
export interface Ports {
  api: number;
  simulator: number;
  postgres: number;
  temporal: number;
  temporal_ui: number;
}

/** What a start asks for that was told nothing and remembers nothing. */
export const DEFAULTS: Ports = { api: 8080, simulator: 8090, postgres: 54_320, temporal: 7233, temporal_ui: 8233 };
const LABELS: Record<keyof Ports, string> = {
  api: 'API',
  simulator: 'processor simulator',
  postgres: 'PostgreSQL',
  temporal: 'Temporal',
  temporal_ui: 'Temporal UI',
};

/**
 * Chooses every port of a start. The API gets exactly the one asked for (`auto`: the first free one); the others
 * stay what they were last time when still free, and otherwise move up to the next free one. Asked for port `n`,
 * the others are sought right above it, so that two checkouts keep apart.
 * @param fixed parts that must not move, with the advice to give when their port is taken
 * @throws PortBusyError
 */
export async function choosePorts(options: {
  api: number | 'auto' | undefined;
  previous?: Partial<Ports>;
  fixed?: Partial<Record<keyof Ports, string>>;
  host?: string;
}): Promise<Ports> {
  const { api: asked, previous = {}, fixed = {}, host } = options;
  const base = typeof asked === 'number' ? asked : undefined;
  const ports = { ...DEFAULTS };
  const taken = new Set<number>();
  for (const [index, part] of (Object.keys(DEFAULTS) as (keyof Ports)[]).entries()) {
    const remembered = part === 'api' && asked !== undefined ? undefined : previous[part];
    const wanted = remembered ?? (base === undefined ? DEFAULTS[part] : base + index);
    let port = wanted;
    if (taken.has(wanted) || !(await isPortFree(wanted, host))) {
      port = await nextFreePort(remembered === undefined ? wanted + 1 : DEFAULTS[part], taken, host);
      if (part === 'api' && asked !== 'auto') {
        throw new PortBusyError(LABELS[part], wanted, port, `Start with --port ${port}, or with --port auto.`);
      }
      const advice = fixed[part];
      if (advice !== undefined && remembered !== undefined) throw new PortBusyError(LABELS[part], wanted, port, advice);
    }
    ports[part] = port;
    taken.add(port);
  }
  return ports;
}
