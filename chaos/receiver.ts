import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { parseId } from '../src/domain/ids.ts';
import type { Random } from './random.ts';

/** A webhook endpoint that remembers what it was told, and is not always well. */
export interface Receiver {
  url: string;
  /** Ids (UUID) of events that it acknowledged, and how often. */
  acknowledged: ReadonlyMap<string, number>;
  /** From now on it always answers. */
  recover(): void;
  close(): Promise<void>;
}

/** Share of requests that are answered 500, or not at all. */
const FAILING = 0.03;
const SILENT = 0.01;

export async function startReceiver(random: Random): Promise<Receiver> {
  const acknowledged = new Map<string, number>();
  let well = false;
  const server = createServer((request, response) => {
    request.resume().on('end', () => {
      if (!well && random.chance(SILENT)) return void request.socket.destroy();
      if (!well && random.chance(FAILING)) return void response.writeHead(500).end();
      const header = String(request.headers['webhook-id']);
      const id = parseId(header, 'evt') ?? header;
      acknowledged.set(id, (acknowledged.get(id) ?? 0) + 1);
      response.writeHead(204).end();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`,
    acknowledged,
    recover: () => void (well = true),
    async close() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close').catch(() => undefined);
    },
  };
}
