import http from 'node:http';
import https from 'node:https';
import { useAgent } from 'request-filtering-agent';
import { isLoopback } from '../trust/did.ts';

const TIMEOUT_MS = 5_000;

/** Why something could not be fetched; the message completes a sentence, and tells nothing of the inside network. */
export class FetchRefused extends Error {
  override readonly name = 'FetchRefused';
}

/**
 * Fetches a JSON object from an address that a stranger chose: https only, addresses checked after DNS resolution,
 * redirects not followed, bounded in time and size, no credentials sent.
 * @param allowPrivate development: private addresses are allowed, and http on loopback
 * @throws FetchRefused
 */
export async function fetchJson(
  url: URL,
  { allowPrivate, maxBytes, accept }: { allowPrivate: boolean; maxBytes: number; accept: string },
): Promise<Record<string, unknown>> {
  const secure = url.protocol === 'https:';
  if (!secure && !(url.protocol === 'http:' && allowPrivate && isLoopback(url.hostname))) {
    throw new FetchRefused('the address is not https');
  }
  if (url.username !== '' || url.password !== '') throw new FetchRefused('the address carries a credential');
  const text = await new Promise<string>((resolve, reject) => {
    const refuse = (why: string) => reject(new FetchRefused(why));
    const req = (secure ? https : http).request(
      url,
      {
        headers: { accept, 'user-agent': 'Prokura/1' },
        signal: AbortSignal.timeout(TIMEOUT_MS),
        ...(allowPrivate ? {} : { agent: useAgent(url.href) }),
      },
      (res) => {
        if (res.statusCode !== 200) {
          res.destroy();
          return refuse(`the server answered ${res.statusCode}`);
        }
        const chunks: Buffer[] = [];
        let size = 0;
        res.on('data', (chunk: Buffer) => {
          size += chunk.length;
          if (size > maxBytes) {
            res.destroy();
            return refuse(`it is larger than ${maxBytes} bytes`);
          }
          chunks.push(chunk);
        });
        res.on('end', () => resolve(Buffer.concat(chunks).toString('utf8')));
        res.on('error', () => refuse('the connection broke'));
      },
    );
    // The reason may name an inside address: whoever chose the address must not map the network by it.
    req.on('error', (error) => refuse(/Abort|Timeout/.test(error.name) ? 'no answer in time' : 'no connection'));
    req.end();
  });
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch {
    // Told below.
  }
  throw new FetchRefused('it is not a JSON object');
}
