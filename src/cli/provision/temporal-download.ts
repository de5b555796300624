import { execFile } from 'node:child_process';
import { chmodSync, createWriteStream, mkdtempSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ReadableStream } from 'node:stream/web';
import { promisify } from 'node:util';

const PLATFORMS: Partial<Record<NodeJS.Platform, string>> = { linux: 'linux', darwin: 'darwin' };
const ARCHITECTURES: Record<string, string> = { x64: 'amd64', arm64: 'arm64' };
/** The documented address of release archives (https://docs.temporal.io/cli). */
const ARCHIVES = 'https://temporal.download/cli/archive';

/**
 * Downloads the official CLI archive of `version` and puts its binary at `into`.
 * Offline it gives up after `patienceMs` (default 5 s until the server answers); a stalled transfer after 5 minutes.
 * The SDK's own downloader is not used: it lies in a testing package that an installation lacks, and it
 * starts a server to fetch one.
 * @throws Error saying why not
 */
export async function downloadTemporal(options: {
  into: string;
  version: string;
  url?: string | undefined;
  patienceMs?: number | undefined;
}): Promise<void> {
  const { into, version, url = ARCHIVES, patienceMs = 5_000 } = options;
  const platform = PLATFORMS[process.platform];
  const arch = ARCHITECTURES[process.arch];
  if (!platform || !arch) throw new Error(`no release for ${process.platform} ${process.arch}`);

  const response = await answer(`${url}/v${version}?platform=${platform}&arch=${arch}`, patienceMs);
  const folder = mkdtempSync(`${into}-`);
  try {
    const archive = path.join(folder, 'archive.tar.gz');
    await pipeline(Readable.fromWeb(response.body as ReadableStream), createWriteStream(archive));
    await promisify(execFile)('tar', ['-xzf', archive, '-C', folder, 'temporal']);
    chmodSync(path.join(folder, 'temporal'), 0o755);
    renameSync(path.join(folder, 'temporal'), into);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function answer(url: string, patienceMs: number): Promise<Response> {
  const impatient = new AbortController();
  const timer = setTimeout(() => impatient.abort(new Error(`no answer within ${patienceMs} ms`)), patienceMs);
  try {
    const signal = AbortSignal.any([impatient.signal, AbortSignal.timeout(300_000)]);
    const response = await fetch(url, { signal });
    if (!response.ok || !response.body) throw new Error(`HTTP ${response.status} from ${new URL(url).host}`);
    return response;
  } catch (error) {
    const cause = (error as Error).cause;
    throw cause instanceof Error && cause.message ? new Error(cause.message, { cause: error }) : error;
  } finally {
    clearTimeout(timer);
  }
}
