import { createHash } from 'node:crypto';
import { open, type FileHandle } from 'node:fs/promises';
import { basename } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { apiAccess, type ApiAccess } from '../api-access.ts';
import { CommandError, logTo, messageOf } from '../output.ts';

export interface ImportOptions {
  processor: string;
  format: 'csv' | 'camt.053';
  mapping?: object;
  wait: boolean;
  json?: boolean;
}

interface Import {
  import_id: string;
  status: string;
  progress: { records: number; percent: number };
  result: { matched: number; exceptions: number; awaited: number; repeated: number; rejected: number };
  failure: string | null;
}

/** Bytes of a part: as base64, below the 1 MB that a request may have. */
const PART = 720_000;
const EVERY_MS = 500;

/** @returns how many parts there were, and the hash of the whole */
async function sendParts(api: ApiAccess, root: string, handle: FileHandle): Promise<{ parts: number; sha256: string }> {
  const hash = createHash('sha256');
  let number = 0;
  for (const part = Buffer.alloc(PART); ;) {
    const { bytesRead } = await handle.read(part, 0, PART);
    if (bytesRead === 0) break;
    const bytes = part.subarray(0, bytesRead);
    hash.update(bytes);
    const content = bytes.toString('base64');
    await api.post(`${root}/parts`, { number: ++number, content, encoding: 'base64' }, [200]);
  }
  return { parts: number, sha256: hash.digest('hex') };
}

/** Sends a file in parts, and waits until it is worked off. */
export async function importFile(file: string, options: ImportOptions): Promise<void> {
  const { processor, format, mapping, json = false } = options;
  const api = apiAccess();
  const log = logTo(json);
  const handle = await open(file).catch((error: NodeJS.ErrnoException) => {
    throw new CommandError(`${file} cannot be read: ${error.code}.`);
  });
  let root: string;
  let it: Import;
  try {
    const stat = await handle.stat();
    if (!stat.isFile()) throw new CommandError(`${file} is not a file.`);
    if (stat.size === 0) throw new CommandError(`${file} is empty.`);
    const asked = { processor, format, file_name: basename(file), ...(mapping && { mapping }) };
    ({ body: it } = await api.post<Import>('/v1/settlements/imports', asked, [201]));
    root = `/v1/settlements/imports/${it.import_id}`;
    const whole = await sendParts(api, root, handle).catch(async (error: unknown) => {
      // What was sent of it would wait for ever, and count toward what may wait.
      const ended = await api.post(`${root}/cancel`, undefined, [200]).then(
        () => 'It was cancelled',
        () => `POST ${root}/cancel gives it up`,
      );
      throw new CommandError(`${messageOf(error)}\n${it.import_id} was not sent whole. ${ended}; nothing was applied.`);
    });
    ({ body: it } = await api.post<Import>(`${root}/complete`, whole, [202]));
  } finally {
    await handle.close();
  }
  let shown = -1;
  for (; options.wait && (it.status === 'queued' || it.status === 'running'); await sleep(EVERY_MS)) {
    it = await api.get<Import>(root);
    const { percent, records } = it.progress;
    if (percent !== shown) process.stderr.write(`${percent} % — ${records} lines\n`);
    shown = percent;
  }
  if (json) process.stdout.write(`${JSON.stringify(it)}\n`);
  else if (!options.wait) log(`${it.import_id} has begun: GET ${root} tells how far it is.`);
  else {
    const { matched, exceptions, awaited, repeated, rejected } = it.result;
    log(`${it.import_id}: ${it.progress.records} lines`);
    log(`  ${matched} matched, ${exceptions} exceptions, ${repeated} known before, ${rejected} unreadable`);
    if (awaited > 0) log(`  ${awaited} are of operations without an outcome yet, and applied once they have one`);
    if (rejected > 0) log(`  GET ${root}/rejects tells which, and why`);
  }
  if (it.status === 'failed' || it.status === 'cancelled') {
    throw new CommandError(`The import ${it.status === 'failed' ? `failed: ${it.failure}` : 'was cancelled.'}`);
  }
}
