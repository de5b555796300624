import { describe, expect, it } from 'vitest';
import { RiskConfigBody } from '../../src/api/risk/schemas.ts';
import { DEFAULT_BANDS } from '../../src/domain/risk/configuration.ts';
import type { RiskSignalSpec } from '../../src/domain/risk/signal-spec.ts';
import { RISK_TABLE } from '../../src/domain/risk/table.ts';
import {
  GAIN_PER_DAY,
  HALF_LIFE_MS,
  HYSTERESIS,
  MIDDLE,
  NEW_UNTIL_PAID,
  OUTCOMES,
  TRUST_TIERS,
} from '../../src/domain/trust-score.ts';
import { parsePayeeList } from '../../src/screening/list.ts';
import { codeOf, pageOf, rowsOf, sectionOf } from './tables.ts';

const page = pageOf('docs/risk.md');
const tableOf = (heading: string) => rowsOf(sectionOf(page, heading));

function gradesOf({ raised, grades }: RiskSignalSpec): string {
  return grades
    .map(({ at, points, severity }) => `${at === undefined ? '' : `${raised} ${at}: `}${points} ${severity}`)
    .join('; ');
}

describe('docs/risk.md', () => {
  it('has the table of signals, whole', () => {
    expect(tableOf('## Signals').map(([type, ...rest]) => [codeOf(type!), ...rest])).toEqual(
      RISK_TABLE.map((spec) => [spec.type, spec.category, spec.meaning, spec.unit ?? spec.raised, gradesOf(spec)]),
    );
    // The control: another weight would be found.
    expect(page.replace('above 50: 40 high', 'above 50: 41 high')).not.toBe(page);
    expect(gradesOf({ ...RISK_TABLE[0]!, grades: [{ severity: 'low', points: 1 }] })).toBe('1 low');
  });

  it('has the bands', () => {
    expect(tableOf('## The score').map(([level, from]) => [codeOf(level!), Number(from)])).toEqual([
      ['normal', 0],
      ...Object.entries(DEFAULT_BANDS),
    ]);
  });

  it('has the outcomes of trust, its tiers and its constants', () => {
    const section = sectionOf(page, '## Trust of an agent');
    const rows = rowsOf(section);
    expect(
      rows.slice(0, -TRUST_TIERS.length).map(([kind, points, when]) => [codeOf(kind!), Number(points), when]),
    ).toEqual(Object.entries(OUTCOMES).map(([kind, { points, meaning }]) => [kind, points, meaning]));
    expect(rows.slice(-TRUST_TIERS.length).map(([tier]) => codeOf(tier!))).toEqual([...TRUST_TIERS]);
    expect(section).toContain(`Everybody begins at ${MIDDLE}`);
    expect(section).toContain(`by half of the distance in ${HALF_LIFE_MS / 86_400_000} days`);
    expect(section).toContain(`no more than ${GAIN_PER_DAY} points in a day`);
    expect(section).toContain(`fewer than ${NEW_UNTIL_PAID} payments`);
    expect(section).toContain(`when the score is ${HYSTERESIS} points beyond its border`);
  });

  it('shows a configuration and a list that are taken', () => {
    const shown = /```json\n([^]*?)```/.exec(page)![1]!;
    expect(RiskConfigBody.safeParse(JSON.parse(shown)).error).toBeUndefined();
    expect(RiskConfigBody.safeParse({ signals: { moon: [] } }).success).toBe(false);
    expect(parsePayeeList(/```csv\n([^]*?)```/.exec(page)![1]!).size).toBe(4);
  });
});
