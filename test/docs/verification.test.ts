import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { execa } from 'execa';
import { describe, expect, it } from 'vitest';
import { projectRoot } from '../../src/cli/paths.ts';
import { KINDS, verifyKind } from '../../src/verify/kinds.ts';
import { pageOf } from './tables.ts';

const page = pageOf('docs/verification.md');

/** Commands of the page that are followed by what they answer. */
const shown = [...page.matchAll(/```sh\nprokura (verify [^\n]+)\n```\n+```json\n([^]*?)```/g)].map((match) => ({
  command: match[1]!,
  answer: JSON.parse(match[2]!) as { valid: boolean },
}));

describe('docs/verification.md', () => {
  it('has an example of every kind', () => {
    const kinds = new Set(shown.map(({ command }) => command.split(' ')[1]!));
    expect([...kinds].sort()).toEqual(Object.keys(KINDS).sort());
  });

  it.each(shown)('$command answers as it says', async ({ command, answer }) => {
    const { stdout, exitCode } = await execa('node', ['scripts/prokura.mjs', ...command.split(' ')], {
      cwd: projectRoot,
      reject: false,
    });
    expect(JSON.parse(stdout)).toMatchObject(answer);
    expect(exitCode).toBe(answer.valid ? 0 : 1);
  });

  it.each(Object.keys(KINDS))('has an example of %s that is printed and valid', async (kind) => {
    const printed = readFileSync(`${projectRoot}/docs/examples/${kind}.json`, 'utf8');
    expect(await verifyKind(kind, JSON.parse(printed))).toMatchObject({ valid: true });
  });

  it('shows commands in --help that work as they are printed', { timeout: 120_000 }, async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'prokura-help-'));
    try {
      const run = (command: string) => {
        const found = command.replaceAll('prokura verify', `node ${projectRoot}/scripts/prokura.mjs verify`);
        return execa('sh', ['-c', found], { cwd: folder, reject: false });
      };
      const { stdout } = await run('prokura verify receipt --help');
      const [write, read, both, ...none] = stdout.split('Examples:\n')[1]!.trim().split('\n');
      expect(none).toEqual([]);
      for (const command of [`${write} && ${read}`, both!]) {
        const answer = await run(command);
        expect([command, answer.exitCode, JSON.parse(answer.stdout)]).toMatchObject([command, 0, { valid: true }]);
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('names every code that the kinds answer with', async () => {
    const folder = new URL('../../src/verify/', import.meta.url);
    const source = readdirSync(folder)
      .map((file) => readFileSync(new URL(file, folder), 'utf8'))
      .join('\n');
    const codes = [...source.matchAll(/(?:invalid|wrong)\(\s*'(\w+)'|code: '(\w+)'/g)].map(
      (match) => match[1] ?? match[2],
    );
    const missing = [...new Set(codes)].filter((code) => code !== 'valid' && !page.includes(`\`${code}\``));
    expect(missing).toEqual([]);
    expect(new Set(codes).size).toBeGreaterThan(20);
  });
});
