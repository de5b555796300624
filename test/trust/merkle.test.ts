import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { edgeOf, hashesOf, TileWriter, tilesOf, type Tile } from '../../src/trust/audit-tiles.ts';
import {
  consistencyRanges,
  emptyRoot,
  GrowingTree,
  inclusionRanges,
  leafHash,
  nodeHash,
  verifyConsistency,
  verifyInclusion,
} from '../../src/trust/merkle.ts';

/** Over one tile of the third level. */
const LARGEST = 65_537;

const leaf = (i: number) => leafHash(Buffer.from(`entry ${i}`));
const leaves = Array.from({ length: LARGEST }, (_, i) => leaf(i));

/** MTH by its definition (RFC 9162 §2.1.1), to compare with. */
function plainRoot(hashes: readonly Buffer[]): Buffer {
  if (hashes.length === 0) return emptyRoot();
  if (hashes.length === 1) return hashes[0]!;
  let k = 1;
  while (k * 2 < hashes.length) k *= 2;
  return nodeHash(plainRoot(hashes.slice(0, k)), plainRoot(hashes.slice(k)));
}

/** A tree as the database would hold it. */
function stored() {
  const tiles = new Map<string, Tile>();
  return {
    grow(from: number, to: number): Buffer {
      const edge = edgeOf(from).map(({ level, index }) => tiles.get(`${level}/${index}`)!);
      const writer = TileWriter.open(from, edge)!;
      for (let i = from; i < to; i++) writer.append(leaves[i]!);
      for (const tile of writer.changed()) tiles.set(`${tile.level}/${tile.index}`, tile);
      return writer.root();
    },
    hashes(ranges: Parameters<typeof hashesOf>[0]) {
      return hashesOf(
        ranges,
        tilesOf(ranges).map(({ level, index }) => tiles.get(`${level}/${index}`)!),
      );
    },
    tiles,
  };
}

const sizes = fc.oneof(
  fc.integer({ min: 1, max: 600 }),
  fc.constantFrom(255, 256, 257, 511, 512, 513, 65_536, LARGEST),
);

describe('a tree stored in tiles', () => {
  it('has the root that the definition gives, however it was extended', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 400 }), { maxLength: 6 }), (steps) => {
        const tree = stored();
        const growing = new GrowingTree();
        let size = 0;
        for (const step of steps) {
          const root = tree.grow(size, size + step);
          for (let i = size; i < size + step; i++) growing.append(leaves[i]!);
          size += step;
          expect(root.equals(plainRoot(leaves.slice(0, size)))).toBe(true);
          expect(growing.root().equals(root)).toBe(true);
        }
      }),
      { numRuns: 30 },
    );
  });

  it('takes little more than the leaves themselves', () => {
    const tree = stored();
    tree.grow(0, LARGEST);
    const bytes = [...tree.tiles.values()].reduce((sum, { hashes }) => sum + hashes.length, 0);
    expect(bytes).toBeLessThan(LARGEST * 32 * 1.005);
  });

  it('proves every inclusion and every extension, and nothing else', () => {
    const whole = stored();
    whole.grow(0, LARGEST);
    const roots = new Map<number, Buffer>();
    const rootOf = (size: number) => {
      const root = roots.get(size) ?? plainRoot(leaves.slice(0, size));
      roots.set(size, root);
      return root;
    };
    fc.assert(
      fc.property(sizes, sizes, fc.nat(), fc.nat(), fc.nat(255), (a, b, seed, which, flip) => {
        const [size1, size2] = [Math.min(a, b), Math.max(a, b)];
        const [root1, root2] = [rootOf(size1), rootOf(size2)];
        const index = seed % size2;
        const inclusion = {
          index: BigInt(index),
          size: BigInt(size2),
          leaf: leaves[index]!,
          root: root2,
          path: whole.hashes(inclusionRanges(index, size2)),
        };
        expect(verifyInclusion(inclusion)).toBe(true);
        const consistency = {
          size1: BigInt(size1),
          size2: BigInt(size2),
          root1,
          root2,
          path: whole.hashes(consistencyRanges(size1, size2)),
        };
        expect(verifyConsistency(consistency)).toBe(true);

        const spoil = (path: Buffer[]) =>
          path.map((hash, i) => (i === which % path.length ? Buffer.from(hash.map((x) => x ^ (flip || 1))) : hash));
        expect(verifyInclusion({ ...inclusion, leaf: leaf(index + 1) })).toBe(false);
        expect(verifyInclusion({ ...inclusion, path: [...inclusion.path, leaf(0)] })).toBe(false);
        const spoiled = [
          size2 > 1 && verifyInclusion({ ...inclusion, path: spoil(inclusion.path) }),
          consistency.path.length > 0 && verifyConsistency({ ...consistency, path: spoil(consistency.path) }),
          consistency.path.length > 0 && verifyConsistency({ ...consistency, path: consistency.path.slice(1) }),
        ];
        expect(spoiled).toEqual([false, false, false]);
        expect(verifyConsistency({ ...consistency, root1: leaf(1) })).toBe(false);
      }),
      { numRuns: 20 },
    );
  });

  it('is not extended on an edge that is not its own', () => {
    const tree = stored();
    tree.grow(0, 300);
    const edge = edgeOf(300).map(({ level, index }) => tree.tiles.get(`${level}/${index}`)!);
    expect(TileWriter.open(301, edge)).toBeUndefined();
    expect(TileWriter.open(300, edge)).toBeDefined();
  });
});
