import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { cachedBinary, findTemporalBinary, knownTemporalBinary } from '../../src/cli/provision/temporal-binary.ts';

let folder: string;
let bin: string;
let env: NodeJS.ProcessEnv;
let server: Server | undefined;
const lines: string[] = [];
const log = (line: string) => lines.push(line);
/** Refuses connections: what being offline looks like, without a name to resolve. */
const nowhere = 'http://127.0.0.1:17699/cli/archive';

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'prokura-binary-'));
  bin = path.join(folder, 'bin');
  mkdirSync(bin);
  env = { PATH: bin, XDG_CACHE_HOME: path.join(folder, 'cache') };
  lines.length = 0;
});
afterEach(() => {
  server?.close();
  server = undefined;
  rmSync(folder, { recursive: true, force: true });
});

function program(file: string, script: string): string {
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, `#!/bin/sh\n${script}\n`);
  chmodSync(file, 0o755);
  return file;
}
const cli = (version: string, server = '1.31.2') => `echo "temporal version ${version} (Server ${server}, UI 2.50.1)"`;

/** A Go that "builds" a CLI of version 1.8.2 by writing it where `-o` says. */
function fakeGo(version = 'go1.26.8'): void {
  const build = `while [ "$1" != -o ]; do shift; done; printf '#!/bin/sh\\n%s\\n' '${cli('1.8.2')}' > "$2"; /bin/chmod 755 "$2"`;
  program(path.join(bin, 'go'), `if [ "$1" = env ]; then echo ${version}; exit; fi\n${build}`);
}

async function serve(archive: Buffer | undefined): Promise<string> {
  server = createServer((_, response) => (archive ? response.end(archive) : undefined));
  await new Promise<void>((resolve) => server!.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/cli/archive`;
}

describe('findTemporalBinary', () => {
  it('takes the one on PATH before a cached one', async () => {
    program(cachedBinary(env), cli('1.8.2'));
    const onPath = program(path.join(bin, 'temporal'), cli('0.0.0-DEV'));
    expect(await findTemporalBinary({ log, env, downloadUrl: nowhere })).toBe(onPath);
  });

  it('passes over one on PATH that is too old, or something else of that name, and says so', async () => {
    const cached = program(cachedBinary(env), cli('1.8.2'));
    for (const script of [cli('1.4.1', '1.28.0'), 'echo hello']) {
      program(path.join(bin, 'temporal'), script);
      expect(await findTemporalBinary({ log, env, downloadUrl: nowhere })).toBe(cached);
    }
    expect(lines.join('\n')).toContain('carries server 1.28.0, older than 1.29');
    expect(lines.join('\n')).toContain('is not the Temporal CLI');
  });

  it('downloads into the cache before it would build', async () => {
    fakeGo();
    program(path.join(folder, 'release', 'temporal'), cli('1.8.2'));
    const archive = execFileSync('tar', ['-czf', '-', '-C', path.join(folder, 'release'), 'temporal']);
    expect(await findTemporalBinary({ log, env, downloadUrl: await serve(archive) })).toBe(cachedBinary(env));
    expect(lines.join('\n')).not.toContain('Building');
  });

  it('gives up a download that does not answer in time, and builds from the pinned module', async () => {
    fakeGo();
    const found = await findTemporalBinary({ log, env, downloadUrl: await serve(undefined), downloadPatienceMs: 50 });
    expect(found).toBe(cachedBinary(env));
    expect(readFileSync(found, 'utf8')).toContain('temporal version');
    expect(lines.join('\n')).toContain('no answer within 50 ms');
  });

  it('leaves nothing in the cache when what it got is unusable', async () => {
    const url = await serve(Buffer.from('not an archive'));
    await expect(findTemporalBinary({ log, env, downloadUrl: url })).rejects.toThrow();
    expect(existsSync(cachedBinary(env))).toBe(false);
  });

  it('lists everything tried, and what to do, when nothing works', async () => {
    fakeGo('go1.20.1');
    const failure = await findTemporalBinary({ log, env, downloadUrl: nowhere }).catch((error: unknown) => error);
    const { message } = failure as Error;
    expect(message).toContain('temporal on PATH: not there');
    expect(message).toContain(`cached binary ${cachedBinary(env)}: not there`);
    expect(message).toMatch(/official download: .*ECONNREFUSED/);
    expect(message).toContain('is go1.20.1; Go 1.26 or later is needed');
    expect(message).toContain('TEMPORAL_ADDRESS');
  });

  it('looks without fetching or building when only asked what is there', async () => {
    fakeGo();
    expect(await knownTemporalBinary(env)).toBeUndefined();
    const cached = program(cachedBinary(env), cli('1.8.2'));
    expect(await knownTemporalBinary(env)).toBe(cached);
  });
});
