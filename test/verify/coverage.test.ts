import { describe, expect, it } from 'vitest';
import { verifyCoverage, verifyCoverageBundle } from '../../src/verify/index.ts';
import * as s from './samples.ts';

type Line = Record<string, unknown>;
type Sample = { lines: Line[]; public_key?: unknown };

const sample = async () => (await s.coverageSample()) as unknown as Sample;
const other = await sample();

/** The code for a sample after something was done to it. */
async function after(change: (lines: Line[], all: Sample) => void): Promise<string> {
  const changed = structuredClone(await sample());
  change(changed.lines, changed);
  return (await verifyCoverage(changed)).code;
}

describe('an export of the coverage', () => {
  it('is valid: what was approved is signed, whole, and in the tree', async () => {
    expect(await verifyCoverage(await sample())).toMatchObject({
      valid: true,
      claims: { items: 5, anchored: 3, pending: 1, totals: { matched: 2 }, key_given: true },
    });
  });

  it('says when the key is its own', async () => {
    const { lines } = await sample();
    const { valid, detail, claims } = await verifyCoverageBundle(lines.map((line) => JSON.stringify(line)));
    expect([valid, detail, claims['key_given']]).toEqual([true, expect.stringContaining("the export's own"), false]);
  });

  it.each<[string, string, (lines: Line[], all: Sample) => void]>([
    ['malformed', 'another format', ([head]) => (head!['format'] = 'prokura-audit/1')],
    ['malformed', 'nothing', (lines) => lines.splice(0)],
    ['malformed', 'a line after the last', (lines) => lines.push(lines[1]!)],
    ['incomplete', 'its end gone', (lines) => lines.pop()],
    ['incomplete', 'an item gone', (lines) => lines.splice(5, 1)],
    ['incomplete', 'an item twice', (lines) => lines.splice(1, 0, lines[1]!)],
    ['incomplete', 'an item of another class', (lines) => (lines[1]!['class'] = 'one_sided')],
    ['key_missing', 'no key anywhere', ([head], all) => [delete head!['public_key'], delete all.public_key]],
    ['unknown_key', 'another key', (_, all) => (all.public_key = other.public_key)],
    ['wrong_tree', 'the checkpoint of another mode', ([head]) => (head!['mode'] = 'test')],
    ['not_covered', 'no verdict of what was approved', (lines) => (lines[1]!['verdict_jws'] = null)],
    ['not_covered', 'no entry of what was approved', (lines) => (lines[1]!['entry'] = null)],
    ['payload_mismatch', 'the verdict of another', (lines) => (lines[1]!['verdict_jws'] = lines[2]!['verdict_jws'])],
    ['payload_mismatch', 'the entry of another', (lines) => (lines[1]!['entry'] = lines[2]!['entry'])],
    ['payload_mismatch', 'a decision that belongs to nobody', (lines) => (lines[1]!['execution_ref'] = null)],
    ['broken', 'a changed entry', (lines) => ((lines[1]!['entry'] as Line)['at'] = '2026-01-01T00:00:00.000Z')],
    ['invalid_proof', 'the proof of another', (lines) => (lines[1]!['proof'] = lines[2]!['proof'])],
    ['invalid_proof', 'no proof of what is old enough', (lines) => (lines[1]!['proof'] = null)],
    ['invalid_proof', 'a proof and no checkpoint', ([head]) => (head!['checkpoint'] = null)],
  ])('is %s with %s', async (code, _, change) => {
    expect(await after(change)).toBe(code);
  });
});
