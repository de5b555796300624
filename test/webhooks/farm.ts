import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Received {
  path: string;
  at: number;
  headers: Record<string, string>;
  body: string;
}

export interface Farm {
  url(path: string): string;
  /** What came, in order, of one path or of all. */
  received(path?: string): Received[];
  /** Answers of a path, one after the other; the last one stays. Without a script it is 200. */
  script(path: string, ...answers: Answer[]): void;
  close(): Promise<void>;
}

export type Answer =
  number | 'hang' | 'drip' | 'huge' | 'cut' | { status: number; headers?: Record<string, string>; afterMs?: number };

/** Endpoints on loopback that misbehave as they are told. */
export async function startFarm(): Promise<Farm> {
  const received: Received[] = [];
  const scripts = new Map<string, Answer[]>();
  const server: Server = createServer((req, res) => {
    void bodyOf(req).then((body) => {
      const path = req.url!;
      received.push({ path, at: Date.now(), headers: req.headers as Record<string, string>, body });
      const script = scripts.get(path) ?? [200];
      answer(res, script.length > 1 ? script.shift()! : script[0]!);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: (path) => `http://127.0.0.1:${port}${path}`,
    received: (path) => received.filter((one) => path === undefined || one.path === path),
    script: (path, ...answers) => void scripts.set(path, answers),
    async close() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

function answer(res: ServerResponse, how: Answer): void {
  if (typeof how === 'number') res.writeHead(how).end('{"received":true}');
  else if (how === 'hang') return;
  else if (how === 'cut') res.destroy();
  else if (how === 'drip') {
    res.writeHead(200);
    const timer = setInterval(() => res.write('.'), 100);
    res.on('close', () => clearInterval(timer));
  } else if (how === 'huge') {
    res.writeHead(200);
    const chunk = Buffer.alloc(65_536, 'x');
    const more = () => {
      while (!res.destroyed && res.write(chunk));
      if (!res.destroyed) res.once('drain', more);
    };
    more();
  } else setTimeout(() => res.writeHead(how.status, how.headers).end(), how.afterMs ?? 0);
}

async function bodyOf(req: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of req as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}
