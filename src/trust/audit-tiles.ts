import { completeRoot, emptyRoot, joinRight, nodeHash, subtreesOf, type Range, type Subtree } from './merkle.ts';

/**
 * How the audit tree is stored: tiles of up to 256 hashes, eight levels of the tree apart (as in C2SP tlog-tiles).
 * Level 0 holds leaf hashes; the hash of a full tile stands in a tile of the next level. A tree of n leaves takes little
 * more than 32·n bytes, is extended by rewriting one tile per level, and any proof needs a few tiles per level.
 */
const HEIGHT = 8;
const WIDTH = 256;
const HASH_BYTES = 32;

export interface TileRef {
  level: number;
  index: number;
}

export interface Tile extends TileRef {
  /** 32 bytes each, one after the other. */
  hashes: Buffer;
}

/** The partial tiles at the right edge of a tree: what extending it begins with. */
export function edgeOf(size: number): TileRef[] {
  const refs: TileRef[] = [];
  for (let level = 0, n = size; n > 0; level++, n = Math.floor(n / WIDTH)) {
    if (n % WIDTH > 0) refs.push({ level, index: Math.floor(n / WIDTH) });
  }
  return refs;
}

/** Extends a stored tree. */
export class TileWriter {
  readonly #edge = new Map<number, { index: number; hashes: Buffer[] }>();
  readonly #full: Tile[] = [];
  readonly #changed = new Set<number>();

  /** @param edge the stored tiles that `edgeOf(size)` names. @returns `undefined` when they are not that edge */
  static open(size: number, edge: readonly Tile[]): TileWriter | undefined {
    const writer = new TileWriter();
    for (let level = 0, n = size; n > 0; level++, n = Math.floor(n / WIDTH)) {
      const index = Math.floor(n / WIDTH);
      const stored = edge.find((tile) => tile.level === level && tile.index === index);
      const hashes = stored ? split(stored.hashes) : [];
      if (hashes.length !== n % WIDTH) return undefined;
      writer.#edge.set(level, { index, hashes });
    }
    return writer;
  }

  append(hash: Buffer, level = 0): void {
    const tile = this.#edge.get(level) ?? { index: 0, hashes: [] };
    this.#edge.set(level, tile);
    tile.hashes.push(hash);
    this.#changed.add(level);
    if (tile.hashes.length < WIDTH) return;
    this.#full.push({ level, index: tile.index, hashes: Buffer.concat(tile.hashes) });
    this.#edge.set(level, { index: tile.index + 1, hashes: [] });
    this.append(completeRoot(tile.hashes), level + 1);
  }

  /** Tiles that must be written: full ones, and the edge as it is now. */
  changed(): Tile[] {
    const partial = [...this.#edge]
      .filter(([level, { hashes }]) => this.#changed.has(level) && hashes.length > 0)
      .map(([level, { index, hashes }]) => ({ level, index, hashes: Buffer.concat(hashes) }));
    return [...this.#full, ...partial];
  }

  root(): Buffer {
    let root: Buffer | undefined;
    for (const level of [...this.#edge.keys()].sort((a, b) => a - b)) {
      const { hashes } = this.#edge.get(level)!;
      const parts = subtreesOf({ start: 0, end: hashes.length }).map((part) => {
        const from = part.index * 2 ** part.level;
        return completeRoot(hashes.slice(from, from + 2 ** part.level));
      });
      for (const part of parts.reverse()) root = root ? nodeHash(part, root) : part;
    }
    return root ?? emptyRoot();
  }
}

/** The tiles that the hashes of these ranges are computed from. */
export function tilesOf(ranges: readonly Range[]): TileRef[] {
  const refs = new Map<string, TileRef>();
  for (const subtree of ranges.flatMap(subtreesOf)) {
    const { level, index } = placeOf(subtree);
    refs.set(`${level}/${index}`, { level, index });
  }
  return [...refs.values()];
}

/** The hash of each range. @throws Error when a tile is missing or too short */
export function hashesOf(ranges: readonly Range[], tiles: readonly Tile[]): Buffer[] {
  const byPlace = new Map(tiles.map((tile) => [`${tile.level}/${tile.index}`, split(tile.hashes)]));
  const hashOf = (subtree: Subtree) => {
    const { level, index, from, count } = placeOf(subtree);
    const hashes = byPlace.get(`${level}/${index}`)?.slice(from, from + count);
    if (hashes?.length !== count) throw new Error(`tile ${level}/${index} is not whole`);
    return completeRoot(hashes);
  };
  return ranges.map((range) => joinRight(subtreesOf(range).map(hashOf)));
}

/** The tiles that hold the leaves `start` up to and without `end`. */
export function leafTiles(start: number, end: number): TileRef[] {
  const [first, last] = [Math.floor(start / WIDTH), Math.floor((end - 1) / WIDTH)];
  return Array.from({ length: last - first + 1 }, (_, i) => ({ level: 0, index: first + i }));
}

/** The hash of one leaf; `undefined` when these tiles do not hold it. */
export function leafIn(tiles: readonly Tile[], leaf: number): Buffer | undefined {
  const tile = tiles.find(({ level, index }) => level === 0 && index === Math.floor(leaf / WIDTH));
  const from = (leaf % WIDTH) * HASH_BYTES;
  return tile && tile.hashes.length >= from + HASH_BYTES ? tile.hashes.subarray(from, from + HASH_BYTES) : undefined;
}

/** Where the hashes stand that a complete subtree is computed from. */
function placeOf({ level, index }: Subtree) {
  const count = 2 ** (level % HEIGHT);
  const first = index * count;
  return { level: Math.floor(level / HEIGHT), index: Math.floor(first / WIDTH), from: first % WIDTH, count };
}

function split(hashes: Buffer): Buffer[] {
  return Array.from({ length: hashes.length / HASH_BYTES }, (_, i) =>
    hashes.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES),
  );
}
