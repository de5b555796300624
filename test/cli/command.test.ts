import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { projectRoot } from '../../src/cli/paths.ts';

const COMMANDS =
  'start demo serve api worker simulator migrate keys org key client account doctor demo-production bench'.split(' ');
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'prokura-command-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Runs the command as a user does, from an empty state folder and without settings. */
function prokura(args: string[], env: NodeJS.ProcessEnv = {}) {
  const { PATH, HOME } = process.env;
  return execa(process.execPath, [path.join(projectRoot, 'scripts', 'prokura.mjs'), ...args], {
    cwd: folder,
    env: { PATH, HOME, PROKURA_STATE_DIR: folder, ...env },
    extendEnv: false,
    reject: false,
  });
}

describe('prokura', () => {
  it('lists its commands, from any folder', async () => {
    const { stdout, exitCode } = await prokura(['--help']);
    expect(exitCode).toBe(0);
    for (const command of COMMANDS) expect(stdout).toMatch(new RegExp(`^  ${command}\\b`, 'm'));
  });

  it('prints keys as JSON and nothing else on stdout', async () => {
    const { stdout } = await prokura(['keys', '--json']);
    expect(Object.keys(JSON.parse(stdout) as object)).toEqual([
      'PROKURA_SIGNING_KEY',
      'PROKURA_DATA_KEY',
      'PROKURA_PAYLOAD_KEY',
    ]);
  });

  it('prints the settings of a rotation, and nothing without a key to rotate', async () => {
    const { stdout: made } = await prokura(['keys', '--json']);
    const { PROKURA_SIGNING_KEY } = JSON.parse(made) as { PROKURA_SIGNING_KEY: string };
    const { stdout } = await prokura(['keys', 'rotate', '--json'], { PROKURA_SIGNING_KEY });
    const { publish, switch: next } = JSON.parse(stdout) as Record<string, string>;
    expect((JSON.parse(publish!) as { keys: unknown[] }).keys[0]).toEqual(JSON.parse(PROKURA_SIGNING_KEY));
    expect((JSON.parse(next!) as { keys: unknown[] }).keys).toHaveLength(2);
    const { stdout: told } = await prokura(['keys', 'rotate'], { PROKURA_SIGNING_KEY });
    expect(told.match(/^PROKURA_SIGNING_KEY='\{"keys":\[.*\]\}'$/gm)).toHaveLength(2);
    const { exitCode, stderr } = await prokura(['keys', 'rotate']);
    expect([exitCode, stderr]).toEqual([
      1,
      expect.stringMatching(/^PROKURA_SIGNING_KEY is not set\. .*keys store publish/),
    ]);
  });

  it('keeps signing keys in an encrypted file, and rotates them there', async () => {
    const { stdout: made } = await prokura(['keys', '--json']);
    const { PROKURA_DATA_KEY, PROKURA_SIGNING_KEY } = JSON.parse(made) as Record<string, string>;
    const env = { PROKURA_DATA_KEY: PROKURA_DATA_KEY!, PROKURA_KEYSTORE: path.join(folder, 'keystore.json') };
    const roles = async (...args: string[]) => {
      const { stdout, stderr } = await prokura(['keys', 'store', ...args, '--json'], env);
      expect(stderr).toBe('');
      return (JSON.parse(stdout) as { keys: { kid: string; role: string }[] }).keys;
    };
    const created = await prokura(['keys', 'store', 'create', '--json'], {
      ...env,
      PROKURA_SIGNING_KEY: PROKURA_SIGNING_KEY!,
    });
    const { kid } = JSON.parse(PROKURA_SIGNING_KEY!) as { kid: string };
    expect(JSON.parse(created.stdout)).toEqual({ keys: [{ kid, role: 'signs' }] });
    expect(readFileSync(env.PROKURA_KEYSTORE, 'utf8')).not.toContain('kty');
    expect(statSync(env.PROKURA_KEYSTORE).mode & 0o777).toBe(0o600);
    expect((await roles('publish')).map(({ role }) => role)).toEqual(['signs', 'next']);
    expect((await roles('switch')).at(-1)).toEqual({ kid, role: 'verifies' });
    expect(await roles('withdraw', kid)).toHaveLength(1);

    const again = await prokura(['keys', 'store', 'create'], env);
    expect([again.exitCode, again.stderr]).toEqual([1, expect.stringContaining('exists already')]);
    const other = { ...env, PROKURA_DATA_KEY: randomBytes(32).toString('base64') };
    expect((await prokura(['keys', 'store', 'show'], other)).stderr).toContain('does not open it');
  });

  it.each([
    [['start'], { PROKURA_ENV: 'production' }, 'is for development'],
    [['start', '--reset'], { DATABASE_URL: 'postgres://u:p@127.0.0.1/d' }, '--reset empties only what'],
    [['start'], { REVIEW_TTL_SECONDS: 'soon' }, 'at REVIEW_TTL_SECONDS'],
    [['start', '--port', '99999'], {}, 'a port is 1 to 65535'],
    [['migrate'], {}, 'Set DATABASE_URL'],
    [['serve'], { PROKURA_ENV: 'production' }, 'DATABASE_URL'],
    [['strat'], {}, "unknown command 'strat'"],
  ])('refuses %j readably', async (args, env, message) => {
    const { exitCode, stderr } = await prokura(args, env);
    expect(exitCode).toBe(1);
    expect(stderr).toContain(message);
    expect(stderr).not.toMatch(/^\s+at /m);
  });

  it('examines what a start needs when nothing runs', async () => {
    const { stdout } = await prokura(['doctor', '--json']);
    const { checks } = JSON.parse(stdout) as { checks: { name: string; status: string }[] };
    expect(checks.map((check) => check.name)).toContain('embedded PostgreSQL');
    expect(checks.find((check) => check.name === 'Node.js')?.status).toBe('ok');
  });
});
