import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

export interface Asked {
  method: string;
  path: string;
  headers: IncomingHttpHeaders;
  body: string;
}

export interface Said {
  status: number;
  body: unknown;
  headers?: Record<string, string>;
}

/** A processor that says what it is told to say, byte for byte where `body` is a text; `cut` ends the connection. */
export async function startAnswering() {
  const asked: Asked[] = [];
  let say: Said | 'cut' = { status: 200, body: {} };
  const sockets = new Set<Socket>();
  const server: Server = createServer((req, res) => {
    const chunks: Buffer[] = [];
    req.on('data', (chunk: Buffer) => chunks.push(chunk));
    req.on('end', () => {
      const { method = '', url = '', headers } = req;
      asked.push({ method, path: url, headers, body: Buffer.concat(chunks).toString() });
      if (say === 'cut') return void req.socket.destroy();
      res.writeHead(say.status, { 'content-type': 'application/json', ...say.headers });
      res.end(typeof say.body === 'string' ? say.body : JSON.stringify(say.body));
    });
  });
  server.on('connection', (socket) => sockets.add(socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    says: (what: Said | 'cut') => void (say = what),
    stop: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
