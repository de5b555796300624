import { spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { nextFreePort } from '../../src/cli/provision/ports.ts';
import { ensureDatabase, preparePostgres } from '../../src/cli/provision/postgres.ts';
import { isRunning, type ProcessRef, processRef } from '../../src/cli/provision/processes.ts';
import { startPostgres } from '../../src/cli/provision/standalone.ts';

let folder: string;
const stops: (() => Promise<void>)[] = [];

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'prokura-postgres-'));
  // Run by root, PostgreSQL is another user, who must pass through.
  chmodSync(folder, 0o711);
});
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
  rmSync(folder, { recursive: true, force: true });
});

async function start(password: string, lines: string[] = []) {
  const dir = path.join(folder, 'data');
  const port = await nextFreePort(17_700);
  const server = await startPostgres({
    dir,
    logs: path.join(folder, 'logs'),
    password,
    port,
    log: (line) => lines.push(line),
  });
  stops.push(() => server.stop());
  return server;
}

/** What a killed start leaves: a server that nobody watches. */
async function leaveRunning(): Promise<ProcessRef> {
  const options = { dir: path.join(folder, 'data'), port: await nextFreePort(17_700), password: 'correct' };
  const { program } = await preparePostgres({ ...options, log: () => undefined });
  const { command, args, cwd, user } = program;
  const child = spawn(command, args, { ...user, cwd, detached: true, stdio: 'ignore' });
  stops.push(async () => void child.kill('SIGKILL'));
  while (!(await program.ready())) await sleep(50);
  return processRef(child.pid!);
}

async function ask(url: string, text: string): Promise<unknown> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query<Record<string, unknown>>(text);
    return Object.values(rows[0] ?? {})[0];
  } finally {
    await client.end();
  }
}

describe('embedded PostgreSQL', () => {
  it('is durable, keeps its data, asks for the password, and makes databases once', async () => {
    const server = await start('correct');
    const url = server.url('prokura');
    await ensureDatabase(url);
    await ensureDatabase(url);
    await ask(url, 'CREATE TABLE kept AS SELECT 7 AS n');
    expect(await ask(url, "SELECT current_setting('fsync') || current_setting('synchronous_commit')")).toBe('onon');
    await expect(ask(url.replace('correct', 'wrong'), 'SELECT 1')).rejects.toThrow('password');
    await server.stop();
    const again = await start('correct');
    expect(await ask(again.url('prokura'), 'SELECT n FROM kept')).toBe(7);
    expect(readdirSync(folder).toSorted()).toEqual(['data', 'logs']);
  });

  it('ends an instance left over on its data folder instead of failing on its lock', async () => {
    const left = await leaveRunning();
    expect(isRunning(left)).toBe(true);
    const lines: string[] = [];
    const second = await start('correct', lines);
    expect(isRunning(left)).toBe(false);
    expect(lines.join('\n')).toContain(`pid ${left.pid}`);
    expect(await ask(second.url('postgres'), 'SELECT 1')).toBe(1);
  });
});
