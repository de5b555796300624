import { describe, expect, it } from 'vitest';
import { reconciliationStatus } from '../../src/domain/settlement.ts';

describe('how a payment stands with settlement', () => {
  it.each([
    ['matched', 100_00, 100_00, 'matched'],
    ['matched', 100_01, 100_00, 'expected'],
    ['expected', 100_00, 0, 'expected'],
    ['missing', 100_00, 50_00, 'missing'],
    ['under', 100_00, 99_00, 'under'],
    ['duplicate', 100_00, 100_00, 'duplicate'],
  ])('%s, with %i captured and %i settled, is %s', (stored, captured, settled, is) => {
    expect(reconciliationStatus(stored, { captured, settled })).toBe(is);
  });
});
