import http from 'node:http';
import https from 'node:https';
import { useAgent } from 'request-filtering-agent';
import { DidRefused, isLoopback } from '../../trust/did.ts';

const TIMEOUT_MS = 5_000;
const MAX_BYTES = 65_536;

/**
 * Fetches the document of a `did:web`. The address is chosen by whoever registered the agent, so: https only, addresses
 * checked after DNS resolution, redirects not followed, bounded in time and size.
 * @param allowPrivate development: private addresses are allowed, and loopback is asked over http
 * @throws DidRefused
 */
export async function fetchDidDocument(address: URL, allowPrivate: boolean): Promise<Record<string, unknown>> {
  const url = new URL(address);
  if (allowPrivate && isLoopback(url.hostname)) url.protocol = 'http:';
  const request = url.protocol === 'https:' ? https.request : http.request;
  const text = await new Promise<string>((resolve, reject) => {
    const refuse = (why: string) => reject(new DidRefused(`has a document that cannot be fetched: ${why}`));
    const req = request(
      url,
      {
        headers: { accept: 'application/did+json, application/json', 'user-agent': 'Prokura/1' },
        signal: AbortSignal.timeout(TIMEOUT_MS),
        ...(allowPrivate ? {} : { agent: useAgent(url.href) }),
      },
      (res) => {
        if (res.statusCode !== 200) {
          res.resume();
          return refuse(`the server answered ${res.statusCode}`);
        }
        const chunks: Buffer[] = [];
        let size = 0;
        res.on('data', (chunk: Buffer) => {
          size += chunk.length;
          if (size > MAX_BYTES) {
            res.destroy();
            return refuse(`it is larger than ${MAX_BYTES} bytes`);
          }
          chunks.push(chunk);
        });
        res.on('end', () => resolve(Buffer.concat(chunks).toString('utf8')));
        res.on('error', () => refuse('the connection broke'));
      },
    );
    // The reason may name an inside address: whoever registers an agent must not map the network by it.
    req.on('error', (error) => refuse(/Abort|Timeout/.test(error.name) ? 'no answer in time' : 'no connection'));
    req.end();
  });
  try {
    const document: unknown = JSON.parse(text);
    if (typeof document === 'object' && document !== null) return document as Record<string, unknown>;
  } catch {
    // Told below.
  }
  throw new DidRefused('has a document that is not JSON');
}
