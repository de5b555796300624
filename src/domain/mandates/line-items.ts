import { isJson } from './shapes.ts';

interface Requirement {
  readonly accepts: ReadonlySet<string>;
  readonly quantity: number;
}

/** More rows or columns than any basket; what is larger is refused, so that nobody can buy computing time. */
const MAX_NODES = 128;

/**
 * `checkout.line_items` of AP2 v0.2: every requirement is filled exactly and every item of the checkout fills one, none
 * used twice. That holds when the greatest flow from requirements (capacity: their quantity) to item ids (capacity:
 * the quantity in the checkout) equals both sums.
 *
 * A requirement without revealed items matches nothing. Reading it as "any item", as one implementation does, would let
 * an agent widen its mandate by withholding the disclosures.
 * @returns a sentence for what is wrong, or `undefined`
 */
export function lineItemsProblem(required: unknown, lines: unknown): string | undefined {
  const requirements = readRequirements(required);
  if (requirements === undefined) return 'the requirements cannot be read';
  const basket = readBasket(lines);
  if (basket === undefined) return 'the line items of the checkout cannot be read';
  const ids = [...basket.keys()];
  if (requirements.length > MAX_NODES || ids.length > MAX_NODES) return 'there are too many line items to assign';
  const demanded = sum(requirements.map(({ quantity }) => quantity));
  const offered = sum(basket.values());
  if (!Number.isSafeInteger(demanded) || !Number.isSafeInteger(offered)) return 'the quantities are too large';
  if (demanded !== offered) return `the checkout has ${offered} items where ${demanded} were authorized`;
  const assigned = greatestFlow(
    requirements.map(({ quantity }) => quantity),
    [...basket.values()],
    (row, column) => requirements[row]!.accepts.has(ids[column]!),
  );
  return assigned === demanded ? undefined : `only ${assigned} of ${demanded} items can be assigned to a requirement`;
}

/**
 * Greatest flow through a bipartite graph with unlimited edges (Edmonds–Karp: shortest augmenting paths).
 * @param supplies capacity of each row @param demands capacity of each column, both safe integers
 */
export function greatestFlow(
  supplies: readonly number[],
  demands: readonly number[],
  joined: (row: number, column: number) => boolean,
): number {
  const left = [...supplies];
  const room = [...demands];
  const flow = supplies.map(() => demands.map(() => 0));
  let total = 0;
  for (;;) {
    // Breadth first from the rows with supply left; backwards along edges that carry flow.
    const rowFrom: (number | undefined)[] = left.map((amount) => (amount > 0 ? -1 : undefined));
    const columnFrom: (number | undefined)[] = room.map(() => undefined);
    let rows = left.flatMap((amount, row) => (amount > 0 ? [row] : []));
    let end: number | undefined;
    while (rows.length > 0 && end === undefined) {
      const next: number[] = [];
      for (const row of rows) {
        for (let column = 0; column < room.length && end === undefined; column += 1) {
          if (columnFrom[column] !== undefined || !joined(row, column)) continue;
          columnFrom[column] = row;
          if (room[column]! > 0) end = column;
          for (let back = 0; back < left.length; back += 1) {
            if (rowFrom[back] !== undefined || flow[back]![column] === 0) continue;
            rowFrom[back] = column;
            next.push(back);
          }
        }
      }
      rows = next;
    }
    if (end === undefined) return total;
    total += augment(end, { left, room, flow, rowFrom, columnFrom });
  }
}

interface Search {
  left: number[];
  room: number[];
  flow: number[][];
  rowFrom: (number | undefined)[];
  columnFrom: (number | undefined)[];
}

/** Sends what fits along the path that ends in a column, and says how much. */
function augment(end: number, { left, room, flow, rowFrom, columnFrom }: Search): number {
  const path: [row: number, column: number][] = [];
  let amount = room[end]!;
  for (let column = end; ;) {
    const row = columnFrom[column]!;
    path.push([row, column]);
    const before = rowFrom[row]!;
    amount = Math.min(amount, before === -1 ? left[row]! : flow[row]![before]!);
    if (before === -1) break;
    column = before;
  }
  path.forEach(([row, column], step) => {
    flow[row]![column]! += amount;
    const before = path[step + 1]?.[1];
    if (before !== undefined) flow[row]![before]! -= amount;
  });
  room[end]! -= amount;
  left[path.at(-1)![0]]! -= amount;
  return amount;
}

function readRequirements(value: unknown): Requirement[] | undefined {
  if (!Array.isArray(value) || value.length === 0) return undefined;
  const requirements: Requirement[] = [];
  for (const one of value as unknown[]) {
    if (!isJson(one) || !isQuantity(one['quantity']) || one['quantity'] === 0) return undefined;
    const accepted = one['acceptable_items'];
    if (!Array.isArray(accepted) || !accepted.every((item) => isJson(item) && typeof item['id'] === 'string')) {
      return undefined;
    }
    requirements.push({ accepts: new Set(accepted.map((item) => item.id as string)), quantity: one['quantity'] });
  }
  return requirements;
}

/** Quantity by item id; lines with the same item count together. */
function readBasket(lines: unknown): Map<string, number> | undefined {
  if (!Array.isArray(lines)) return undefined;
  const basket = new Map<string, number>();
  for (const line of lines as unknown[]) {
    const item = isJson(line) ? line['item'] : undefined;
    const id = isJson(item) ? item['id'] : undefined;
    if (!isJson(line) || typeof id !== 'string' || !isQuantity(line['quantity'])) return undefined;
    if (line['quantity'] > 0) basket.set(id, (basket.get(id) ?? 0) + line['quantity']);
  }
  return basket;
}

function isQuantity(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function sum(values: Iterable<number>): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}
