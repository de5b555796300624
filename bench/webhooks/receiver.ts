import { createServer } from 'node:http';
import { Webhook } from 'standardwebhooks';

/**
 * The endpoints of a run, in a process of their own: `/<n>` verifies what it is sent with the official library and
 * notes when each event came first; `/slow/<n>` answers after 9.5 s, `/dead/<n>` never. Told by messages:
 * `{secrets}` (by path), `{ask: true}` answers `{received: [[id, ms]], repeats, forged, bad}`.
 */
const secrets = new Map<string, Webhook>();
const received = new Map<string, number>();
let repeats = 0;
let forged = 0;
let bad = 0;

const server = createServer({ keepAliveTimeout: 60_000 }, (req, res) => {
  const path = req.url!;
  const chunks: Buffer[] = [];
  req.on('data', (chunk: Buffer) => chunks.push(chunk));
  req.on('end', () => {
    if (path.startsWith('/dead')) return void bad++;
    if (path.startsWith('/slow')) {
      bad++;
      setTimeout(() => res.end(), 9_500);
      return;
    }
    const now = Date.now();
    const webhook = secrets.get(path);
    try {
      // Without their secret (a backlog) they are counted only.
      webhook?.verify(Buffer.concat(chunks).toString(), req.headers as Record<string, string>);
    } catch {
      forged++;
    }
    const id = `${path} ${String(req.headers['webhook-id'])}`;
    if (received.has(id)) repeats++;
    else received.set(id, now);
    res.end();
  });
});

process.on('message', (message: { secrets?: [string, string][]; ask?: boolean; count?: boolean }) => {
  for (const [path, secret] of message.secrets ?? []) secrets.set(path, new Webhook(secret));
  if (message.count) process.send!({ count: received.size });
  if (message.ask) process.send!({ received: [...received], repeats, forged, bad });
});
server.listen(0, '127.0.0.1', () => process.send!({ port: (server.address() as { port: number }).port }));
