import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { isDependencyAway, problemBody, toProblem } from '../../src/api/pipeline/problem.ts';
import { PROBLEMS, Problem } from '../../src/domain/errors.ts';

const page = readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8');

function documented(text: string): Record<string, { status: number; cells: string[] }> {
  const rows = [...text.matchAll(/^\| `(\w+)` +\| (\d{3}) +\| (.+) \| (.+) \|$/gm)];
  return Object.fromEntries(rows.map(([, code, status, ...cells]) => [code!, { status: Number(status), cells }]));
}

describe('docs/errors.md', () => {
  it('lists exactly the codes that there are, each once, with their status and something to do', () => {
    const there = Object.fromEntries(Object.entries(PROBLEMS).map(([code, { status }]) => [code, status]));
    const listed = documented(page);
    expect(Object.fromEntries(Object.entries(listed).map(([code, { status }]) => [code, status]))).toEqual(there);
    expect(page.match(/^\| `/gm)).toHaveLength(Object.keys(there).length);
    for (const { cells } of Object.values(listed)) for (const cell of cells) expect(cell.length).toBeGreaterThan(10);
  });

  it('would fail this test with a code left out', () => {
    expect(Object.keys(documented(page.replace(/^\| `rate_limited`.*$/m, '')))).not.toContain('rate_limited');
  });
});

describe('failures', () => {
  it('show a problem with its code, and never the cause', () => {
    const problem = new Problem('unprocessable', 'No.', { cause: new Error('secret'), members: { attempts_left: 2 } });
    const body = problemBody(problem, '/v1/x', 'req_1');
    expect(body).toMatchObject({
      status: 422,
      code: 'unprocessable',
      error: 'No.',
      request_id: 'req_1',
      attempts_left: 2,
    });
    expect(JSON.stringify(body)).not.toContain('secret');
  });

  it('of unknown kind are internal errors without detail', () => {
    const problem = toProblem(new Error('relation "secret_table" does not exist'));
    expect(problem.code).toBe('internal_error');
    expect(problem.message).not.toContain('secret_table');
  });

  it('of a dependency that is away are told from faults of ours', () => {
    const away = [
      Object.assign(new Error('connect'), { code: 'ECONNREFUSED' }),
      Object.assign(new Error('terminating connection'), { code: '57P01' }),
      Object.assign(new Error('statement timeout'), { code: '57014' }),
      new Error('timeout exceeded when trying to connect'),
      Object.assign(new Error('Failed to start'), {
        cause: Object.assign(new Error('x'), { code: 14, details: 'gone' }),
      }),
      new AggregateError([Object.assign(new Error('connect'), { code: 'ECONNREFUSED' })]),
    ];
    for (const error of away) expect(toProblem(error).code).toBe('service_unavailable');
    const ours = [Object.assign(new Error('unique'), { code: '23505' }), new TypeError('x'), 'text', null];
    for (const error of ours) expect(isDependencyAway(error)).toBe(false);
  });
});
