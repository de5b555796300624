import { once } from 'node:events';
import { post } from '../http-client.ts';

/** What the load is asked to do: so many connections, each the next request after the answer to the one before. */
export interface Load {
  url: string;
  key: string;
  agents: string[];
  seconds: number;
  connections: number;
  /** Events of one request; 0: one by one. */
  batch: number;
}

/** What it saw. Milliseconds of one request, CPU seconds of its own. */
export interface Seen {
  events: number;
  p99: number;
  cpu: number;
}

/** The load, in a process of its own. */
export async function load(): Promise<void> {
  process.on('message', (what: Load) => void run(what).then((seen) => process.send!(seen)));
  await once(process, 'disconnect');
}

async function run({ url, key, agents, seconds, connections, batch }: Load): Promise<Seen> {
  const headers = { authorization: `Bearer ${key}` };
  const before = process.cpuUsage();
  const until = performance.now() + seconds * 1_000;
  const times: number[] = [];
  let n = 0;
  const event = () => ({
    agentId: agents[n % agents.length],
    actionType: 'tool_use',
    sessionId: `s${n % 5_000}`,
    eventId: `e${process.pid}-${Date.now()}-${n++}`,
    details: { tool: 'search', duration_ms: 420 },
  });
  const target = new URL(batch === 0 ? '/v1/events' : '/v1/events/batch', url);
  const loop = async () => {
    while (performance.now() < until) {
      const body = batch === 0 ? event() : { events: Array.from({ length: batch }, event) };
      const began = performance.now();
      await post(target, body, headers);
      times.push(performance.now() - began);
    }
  };
  await Promise.all(Array.from({ length: connections }, loop));
  times.sort((a, b) => a - b);
  const { user, system } = process.cpuUsage(before);
  return {
    events: times.length * Math.max(1, batch),
    p99: times[Math.min(times.length - 1, Math.floor(times.length * 0.99))]!,
    cpu: (user + system) / 1e6,
  };
}
