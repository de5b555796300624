import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readDemoFile } from '../../src/cli/demo-file.ts';
import { statePaths } from '../../src/cli/paths.ts';
import { writePrivateJson } from '../../src/cli/private-file.ts';
import { developmentKeys } from '../../src/cli/provision/keys.ts';
import { endProcess, isRunning, processRef } from '../../src/cli/provision/processes.ts';
import { claimState, endOrphans, readState, resetState, resetUnlessRunning } from '../../src/cli/provision/state.ts';

const log = () => undefined;
const children: ChildProcess[] = [];
let folder: string;
let file: string;

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'prokura-state-'));
  file = path.join(folder, 'state.json');
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

function run(script = 'setInterval(() => undefined, 1000)'): number {
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'ignore'] });
  children.push(child);
  return child.pid!;
}
const program = (pid: number, name = 'postgres') => ({ name, signal: 'SIGTERM' as const, ...processRef(pid) });
const someoneElse = (pid: number) => ({ ...program(pid), started: 'another moment' });

describe('state of a start', () => {
  it('names orphans of a killed start, and ends them last started first', async () => {
    const [first, second] = [program(run(), 'postgres'), program(run(), 'temporal')];
    expect(await endOrphans({ supervisor: null, programs: [first, second] }, log)).toEqual(['temporal', 'postgres']);
    expect(isRunning(first)).toBe(false);
    expect(isRunning(second)).toBe(false);
  });

  it('leaves a process alone that only has the same pid', async () => {
    const pid = run();
    expect(await endOrphans({ supervisor: null, programs: [someoneElse(pid)] }, log)).toEqual([]);
    expect(isRunning(processRef(pid))).toBe(true);
    // The control: the very same pid is ended when it is the recorded process.
    expect(await endOrphans({ supervisor: null, programs: [program(pid)] }, log)).toEqual(['postgres']);
  });

  it('kills what ignores the polite signal', async () => {
    const pid = run('process.on("SIGTERM", () => undefined); process.stdout.write("x"); setInterval(() => {}, 1000)');
    await new Promise((resolve) => children.at(-1)!.stdout!.once('data', resolve));
    expect(await endProcess(processRef(pid), 'SIGTERM', 200)).toBe('killed');
  });

  it('refuses a second start while the first one runs, and takes over when it is gone', async () => {
    const pid = run();
    writePrivateJson(file, { supervisor: processRef(pid), programs: [] });
    await expect(claimState(file, log)).rejects.toThrow(`already runs from this folder: pid ${pid}`);
    writePrivateJson(file, { supervisor: someoneElse(pid), programs: [] });
    expect((await claimState(file, log)).supervisor).toEqual(processRef(process.pid));
    expect(readState(file).supervisor).toEqual(processRef(process.pid));
  });

  it.each([['{'], ['{}'], ['null']])(
    'says so when the file is damaged: %s, and is reset all the same',
    async (text) => {
      writeFileSync(file, text);
      expect(() => readState(file)).toThrow(/is damaged .*--reset/);
      const paths = statePaths(folder);
      writePrivateJson(paths.keys, {});
      await resetUnlessRunning(paths, log);
      expect([existsSync(file), existsSync(paths.keys)]).toEqual([false, false]);
    },
  );

  it('is not reset while a start runs', async () => {
    const paths = statePaths(folder);
    writePrivateJson(paths.state, { supervisor: processRef(run()), programs: [] });
    writePrivateJson(paths.keys, {});
    await resetUnlessRunning(paths, log);
    expect(existsSync(paths.keys)).toBe(true);
  });

  it('names the files of it that are damaged, and what to do', async () => {
    const paths = statePaths(folder);
    for (const damaged of [paths.keys, paths.demo]) writePrivateJson(damaged, { data_key: 'x', api_url: 'y' });
    await expect(developmentKeys(paths.keys)).rejects.toThrow(/keys\.json is damaged .*postgres_password.*--reset/);
    expect(() => readDemoFile(paths.demo)).toThrow(/demo\.json is damaged .*api_key.*Remove it/);
  });

  it('is reset without touching anything else in the folder', () => {
    const paths = statePaths(folder);
    const elsewhere = path.join(folder, 'elsewhere');
    for (const made of [paths.temporal, paths.logs, elsewhere]) mkdirSync(made);
    symlinkSync(elsewhere, paths.postgres);
    for (const made of [paths.state, paths.keys, paths.keystore, paths.demo]) writePrivateJson(made, {});
    writeFileSync(path.join(folder, 'notes.txt'), 'mine');
    const { dir, ...kept } = paths;
    for (const there of Object.values(kept)) expect(existsSync(there)).toBe(true);
    resetState(paths, log);
    for (const gone of [...Object.values(kept), elsewhere]) expect(existsSync(gone)).toBe(false);
    expect(existsSync(dir)).toBe(true);
    expect(existsSync(path.join(folder, 'notes.txt'))).toBe(true);
  });
});
