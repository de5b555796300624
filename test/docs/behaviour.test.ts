import { describe, expect, it } from 'vitest';
import { ACTION_POINTS, BEHAVIOUR_MODEL_VERSION } from '../../src/domain/behaviour/score.ts';
import { ALIASES } from '../../src/domain/behaviour/vocabulary.ts';
import { codeOf, pageOf, rowsOf, sectionOf } from './tables.ts';

const page = pageOf('docs/behaviour.md');

describe('docs/behaviour.md', () => {
  it('lists every word of the further vocabularies, what it is scored as, and what it says', () => {
    expect(
      rowsOf(sectionOf(page, '## Words for actions')).map(([word, type, says]) => [codeOf(word!), codeOf(type!), says]),
    ).toEqual(
      Object.entries(ALIASES).map(([word, { type, failed, writes, outOfBounds }]) => [
        word,
        type,
        outOfBounds ? 'refused' : failed ? 'failed' : writes ? 'data change' : '–',
      ]),
    );
  });

  it('says what each action weighs, and which model that is', () => {
    const section = sectionOf(page, '## The score');
    const rows = rowsOf(section).filter(([name]) => Object.hasOwn(ACTION_POINTS, codeOf(name!)));
    expect(Object.fromEntries(rows.map(([name, points]) => [codeOf(name!), Number(points)]))).toEqual(ACTION_POINTS);
    expect(section).toContain(`\`${BEHAVIOUR_MODEL_VERSION}\``);
  });
});
