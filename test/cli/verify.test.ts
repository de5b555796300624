import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { projectRoot } from '../../src/cli/paths.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'prokura-verify-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const example = (name: string) => path.join(projectRoot, 'docs', 'examples', name);

async function verify(
  args: string[],
  input = '',
): Promise<{ code: string; exitCode: number | undefined; stderr: string }> {
  const { PATH, HOME } = process.env;
  const { stdout, exitCode, stderr } = await execa(
    process.execPath,
    [path.join(projectRoot, 'scripts', 'prokura.mjs'), 'verify', ...args],
    { cwd: folder, env: { PATH, HOME }, extendEnv: false, reject: false, input },
  );
  return { code: stdout === '' ? '' : (JSON.parse(stdout) as { code: string }).code, exitCode, stderr };
}

describe('prokura verify', () => {
  it('reads standard input as well as a file, from any folder', async () => {
    const text = readFileSync(example('verdict.json'), 'utf8');
    expect(await verify(['verdict'], text)).toMatchObject({ code: 'valid', exitCode: 0 });
    expect(await verify(['verdict', '-'], text)).toMatchObject({ code: 'valid', exitCode: 0 });
  });

  it.each([
    ['malformed', 1, '{"jws": 5, "jwks": [{"kty": "OKP"}]}'],
    ['jwks_unavailable', 1, '{"jws": "a.b.c", "jwks": {}}'],
    ['misuse', 2, '{"jws": "a.b.c"}'],
    ['misuse', 2, '[]'],
    ['misuse', 2, '{"jws": '],
    ['misuse', 2, ''],
    ['misuse', 2, '{"jws": "a.b.c", "jwks": {}, "now": "soon"}'],
  ])('answers %s with exit code %d to %s', async (code, exitCode, input) => {
    expect(await verify(['verdict'], input)).toMatchObject({ code, exitCode });
  });

  it.each([[['nothing']], [[]], [['verdict', '--what']], [['verdict', 'a', 'b']]])(
    'does not know what %j asks',
    async (args) => {
      const { exitCode, stderr } = await verify(args);
      expect(exitCode).toBe(2);
      expect(stderr).not.toBe('');
    },
  );

  it('says that a file cannot be read', async () => {
    for (const kind of ['verdict', 'audit']) {
      const { code, exitCode, stderr } = await verify([kind, 'absent.json']);
      expect({ code, exitCode }).toEqual({ code: 'misuse', exitCode: 2 });
      expect(stderr).toContain('absent.json');
    }
  });

  it('finds a changed line of an export', async () => {
    const lines = readFileSync(example('audit.ndjson'), 'utf8').replace('"amount_minor":500', '"amount_minor":5');
    writeFileSync(path.join(folder, 'changed.ndjson'), lines);
    expect(await verify(['audit', 'changed.ndjson'])).toMatchObject({ code: 'broken', exitCode: 1 });
    const other = await verify(['audit', example('audit.ndjson'), '--key', example('verdict.json')]);
    expect(other).toMatchObject({ code: 'misuse', exitCode: 2 });
  });

  it('explains each kind', async () => {
    const { exitCode } = await verify(['certificate', '--help']).catch(() => ({ exitCode: 0 }));
    expect(exitCode).toBe(0);
  });
});
