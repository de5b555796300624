import { toTypeId } from '../../domain/ids.ts';
import { scoreMeasures, type RiskConfig } from '../../domain/risk.ts';
import { LEVELS } from '../../domain/risk/configuration.ts';
import type { RiskLevel } from '../../domain/types.ts';
import type { MeasuredDecision } from '../../store/risk-configs.ts';

const MOST_EXAMPLES = 20;

/** What decisions of the past would have come to under a configuration: the same measures, scored again. */
export function compare(decisions: MeasuredDecision[], config: RiskConfig) {
  const scored = decisions.map((before) => ({
    before,
    after: scoreMeasures(before.measures, before.words, { version: 0, config }),
  }));
  const differing = scored.filter(({ before, after }) => before.level !== after.level);
  const by = ({ before, after }: (typeof scored)[number]) => LEVELS.indexOf(after.level) - LEVELS.indexOf(before.level);
  const directions = new Map<string, { from: RiskLevel; to: RiskLevel; decisions: number }>();
  for (const { before, after } of differing) {
    const key = `${before.level} ${after.level}`;
    const direction = directions.get(key) ?? { from: before.level, to: after.level, decisions: 0 };
    directions.set(key, { ...direction, decisions: direction.decisions + 1 });
  }
  return {
    decisions: decisions.length,
    differing: differing.length,
    stricter: differing.filter((one) => by(one) > 0).length,
    looser: differing.filter((one) => by(one) < 0).length,
    directions: [...directions.values()].sort((a, b) => b.decisions - a.decisions),
    examples: differing.slice(0, MOST_EXAMPLES).map(({ before, after }) => ({
      execution_ref: toTypeId('exec', before.executionId),
      from: { level: before.level, score: before.score },
      to: { level: after.level, score: after.score, signals: after.signals.map(({ type }) => type) },
    })),
  };
}
