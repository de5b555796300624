import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { projectRoot } from '../../src/cli/paths.ts';
import { progressTo } from '../../src/cli/policy/progress.ts';
import { startJourney, type Journey } from '../journeys/journey.ts';

let t: Journey;
let folder: string;
let policyId: string;
beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'prokura-policy-'));
  t = await startJourney();
  const body = { name: 'cards', rules: { max_amount: 100_00 } };
  policyId = (await t.api<{ policy_id: string }>('POST', '/v1/policies', body)).body.policy_id;
  await t.approved(await t.cast(), { amount: 120 });
});
afterAll(async () => {
  await t.close();
  rmSync(folder, { recursive: true, force: true });
});

async function prokura(args: string[], env: NodeJS.ProcessEnv = {}) {
  const { PATH, HOME } = process.env;
  const access = { PROKURA_API_URL: t.url, PROKURA_API_KEY: t.credentials.api_key, ...env };
  const options = { cwd: folder, env: { PATH, HOME, PROKURA_STATE_DIR: folder, ...access }, extendEnv: false } as const;
  const command = [path.join(projectRoot, 'scripts', 'prokura.mjs'), 'policy', ...args];
  return execa(process.execPath, command, { ...options, reject: false });
}

describe('prokura policy', () => {
  it('backtest: waits, shows how far it is, prints the result and draws it', async () => {
    const plot = path.join(folder, 'plot.svg');
    const { exitCode, stdout, stderr } = await prokura(['backtest', policyId, '--plot', plot]);
    expect([exitCode, stderr]).toEqual([0, expect.stringMatching(/^100 % — 1 of 1 decisions read$/m)]);
    expect(stdout).toMatch(/^bkt_\w+: 1 decisions from /);
    expect(stdout).toContain('beside as they were decided: 1 change, 1 stricter, 0 looser');
    expect(stdout).toContain('approved → deny: 1 (120 EUR)');
    expect(stdout).toContain('max_amount: 1 (1; 0, 0)');
    expect(readFileSync(plot, 'utf8')).toMatch(/^<svg /);
  }, 60_000);

  it('backtest: takes rules of a file, and prints the whole answer', async () => {
    const file = path.join(folder, 'rules.json');
    writeFileSync(file, JSON.stringify({ max_amount: 1 }));
    const { exitCode, stdout } = await prokura(['backtest', '--rules', file, '--sample', '1', '--json']);
    expect(exitCode).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ status: 'completed', policy: null, result: { changed: 1 } });
    const begun = await prokura(['backtest', policyId, '--no-wait']);
    expect(begun.stdout).toMatch(/^bkt_\w+ has begun/);
  }, 60_000);

  it('simulate: explains each rule', async () => {
    const intent = ['--amount', '120', '--currency', 'EUR', '--merchant', 'mrc_hotel'];
    const { exitCode, stdout } = await prokura(['simulate', policyId, ...intent]);
    expect(exitCode).toBe(0);
    expect(stdout).toContain(`deny by ${policyId}`);
    expect(stdout).toMatch(/✗ max_amount: .* → deny/);
    expect(stdout).toMatch(/^risk 30 agent_unknown: No registered agent/m);
  }, 60_000);

  it('says what is wrong without a stack', async () => {
    const neither = await prokura(['backtest']);
    expect([neither.exitCode, neither.stderr]).toEqual([1, 'Name a policy or give --rules, one of them.']);
    const half = await prokura(['backtest', policyId], { PROKURA_API_KEY: undefined });
    expect([half.exitCode, half.stderr]).toEqual([1, expect.stringContaining('Set PROKURA_API_URL')]);
    const refused = await prokura(['backtest', policyId, '--from', 'yesterday']);
    expect(refused.stderr).toMatch(/^POST .* answered 400 \(invalid_request.* from must be an RFC 3339/);
    expect(refused.stderr.match(/must be an RFC 3339/g)).toHaveLength(1);
    expect(refused.stderr).not.toContain(t.credentials.api_key);
  }, 60_000);
});

describe('a progress bar', () => {
  const at = (percent: number) => ({ done: percent, total: 100, percent });
  const shown = (isTTY: boolean, percents: number[]) => {
    const written: string[] = [];
    const progress = progressTo({ isTTY, write: (text) => written.push(String(text)) > 0 });
    for (const percent of percents) progress.show(at(percent));
    progress.end();
    return written;
  };

  it('is drawn over itself on a terminal', () => {
    expect(shown(true, [50, 100])).toEqual([
      `\r${'█'.repeat(15)}${'░'.repeat(15)} 50 % — 50 of 100 decisions read`,
      `\r${'█'.repeat(30)} 100 % — 100 of 100 decisions read`,
      '\n',
    ]);
  });

  it('is a line for each tenth elsewhere', () => {
    expect(shown(false, [0, 3, 9, 10, 12, 55, 98, 100, 100]).map((line) => line.split(' ')[0])).toEqual([
      '0',
      '10',
      '55',
      '98',
      '100',
    ]);
  });
});
