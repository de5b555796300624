import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { greatestFlow, lineItemsProblem } from '../../../src/domain/mandates/line-items.ts';

const need = (quantity: number, ...ids: string[]) => ({
  id: 'r',
  acceptable_items: ids.map((id) => ({ id, title: id })),
  quantity,
});
const line = (id: string, quantity: number) => ({ id: `li-${id}`, item: { id, title: id, price: 1 }, quantity });

describe('line items', () => {
  const red = need(1, 'red', 'blue');
  const socks = need(1, 'socks');

  it('of the example in the specification are judged as it says', () => {
    expect(lineItemsProblem([red, socks], [line('red', 1), line('socks', 1)])).toBeUndefined();
    expect(lineItemsProblem([red, socks], [line('blue', 1), line('socks', 1)])).toBeUndefined();
    expect(lineItemsProblem([red, socks], [line('red', 1), line('blue', 1)])).toMatch(/^only 1 of 2/);
    for (const alone of ['red', 'blue', 'socks']) {
      expect(lineItemsProblem([red, socks], [line(alone, 1)])).toMatch(/1 items where 2/);
    }
  });

  it('may be moved between requirements, and split over them', () => {
    const chain = [need(1, 'a', 'b'), need(1, 'b', 'c'), need(1, 'c', 'd')];
    expect(lineItemsProblem(chain, [line('c', 1), line('b', 1), line('a', 1)])).toBeUndefined();
    expect(lineItemsProblem([need(2, 'a', 'b'), need(3, 'a', 'c')], [line('a', 4), line('c', 1)])).toBeUndefined();
    expect(lineItemsProblem([need(2, 'a'), need(3, 'a', 'b')], [line('a', 2), line('a', 3)])).toBeUndefined();
    expect(lineItemsProblem([need(2, 'a')], [line('a', 2), line('b', 0)])).toBeUndefined();
  });

  it('match nothing where no acceptable item was disclosed', () => {
    expect(lineItemsProblem([need(1)], [line('a', 1)])).toMatch(/^only 0 of 1/);
  });

  it.each([
    ['no requirement', [], [line('a', 1)]],
    ['an empty checkout', [need(1, 'a')], []],
    ['no checkout lines', [need(1, 'a')], undefined],
    ['a line without quantity', [need(1, 'a')], [{ item: { id: 'a' } }]],
    ['a negative quantity', [need(1, 'a')], [line('a', -1), line('a', 2)]],
    ['half an item', [need(1, 'a')], [line('a', 0.5), line('a', 0.5)]],
    ['a requirement of nothing', [need(0, 'a')], [line('a', 1)]],
    ['quantities beyond safe integers', [need(2 ** 53 - 1, 'a'), need(1, 'b')], [line('a', 1)]],
    ['too many lines', [need(200, ...ids(200))], ids(200).map((id) => line(id, 1))],
  ])('are refused with %s', (_name, required, lines) => {
    expect(lineItemsProblem(required, lines)).toBeTypeOf('string');
  });
});

function ids(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `sku-${index}`);
}

/** Tries every way to hand out one unit after the other. */
function bestByTrying(supplies: number[], demands: number[], joined: (row: number, column: number) => boolean): number {
  const column = demands.findIndex((amount) => amount > 0);
  if (column < 0) return 0;
  const rest = demands.with(column, demands[column]! - 1);
  const skipped = bestByTrying(supplies, rest, joined);
  return supplies.reduce((best, amount, row) => {
    if (amount === 0 || !joined(row, column)) return best;
    return Math.max(best, 1 + bestByTrying(supplies.with(row, amount - 1), rest, joined));
  }, skipped);
}

describe('the greatest flow', () => {
  const small = fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 3 });
  const edges = fc.array(fc.boolean(), { minLength: 9, maxLength: 9 });

  it('is what trying every assignment finds', () => {
    fc.assert(
      fc.property(small, small, edges, (supplies, demands, edges) => {
        const joined = (row: number, column: number) => edges[row * 3 + column]!;
        expect(greatestFlow(supplies, demands, joined)).toBe(bestByTrying(supplies, demands, joined));
      }),
      { numRuns: 500 },
    );
  });

  it('needs a way back: taking the nearest does not do', () => {
    const nearest = (row: number, column: number) => column === 0 || row === 0;
    expect(greatestFlow([1, 1], [1, 1], nearest)).toBe(2);
    expect(greatestFlow([1, 1], [1, 1], (_, column) => column === 0)).toBe(1);
  });
});
