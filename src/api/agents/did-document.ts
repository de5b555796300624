import { DidRefused, isLoopback } from '../../trust/did.ts';
import { fetchJson, FetchRefused } from '../fetch-json.ts';

const MAX_BYTES = 65_536;

/**
 * Fetches the document of a `did:web`. The address is chosen by whoever registered the agent.
 * @param allowPrivate development: private addresses are allowed, and loopback is asked over http
 * @throws DidRefused
 */
export async function fetchDidDocument(address: URL, allowPrivate: boolean): Promise<Record<string, unknown>> {
  const url = new URL(address);
  if (allowPrivate && isLoopback(url.hostname)) url.protocol = 'http:';
  try {
    return await fetchJson(url, {
      allowPrivate,
      maxBytes: MAX_BYTES,
      accept: 'application/did+json, application/json',
    });
  } catch (error) {
    if (!(error instanceof FetchRefused)) throw error;
    throw new DidRefused(`has a document that cannot be fetched: ${error.message}`, { cause: error });
  }
}
