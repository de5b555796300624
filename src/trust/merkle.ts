import { createHash } from 'node:crypto';

/** Merkle trees of RFC 9162 §2.1 over SHA-256: hashing, what a proof consists of, and checking one. */

const LEAF = Buffer.from([0]);
const NODE = Buffer.from([1]);
const HASH_BYTES = 32;
/** Sizes and indexes are unsigned 64-bit numbers (RFC 9162 §4.5). */
const LIMIT = 2n ** 64n;

/** MTH of one entry. */
export function leafHash(entry: Buffer): Buffer {
  return createHash('sha256').update(LEAF).update(entry).digest();
}

export function nodeHash(left: Buffer, right: Buffer): Buffer {
  return createHash('sha256').update(NODE).update(left).update(right).digest();
}

/** MTH of the empty tree. */
export function emptyRoot(): Buffer {
  return createHash('sha256').digest();
}

/** Root of a complete subtree whose nodes of one level are given; their number is a power of two. */
export function completeRoot(hashes: readonly Buffer[]): Buffer {
  let level = hashes;
  while (level.length > 1) {
    const above: Buffer[] = [];
    for (let i = 0; i < level.length; i += 2) above.push(nodeHash(level[i]!, level[i + 1]!));
    level = above;
  }
  return level[0]!;
}

/** Joins complete subtrees that stand side by side, the larger ones to the left. */
export function joinRight(subtrees: readonly Buffer[]): Buffer {
  return subtrees.reduceRight((right, left) => nodeHash(left, right));
}

export interface InclusionProof {
  index: bigint;
  size: bigint;
  /** Hash of the leaf, not its content. */
  leaf: Buffer;
  root: Buffer;
  path: readonly Buffer[];
}

/** RFC 9162 §2.1.3.2. */
export function verifyInclusion({ index, size, leaf, root, path }: InclusionProof): boolean {
  if (index < 0n || index >= size || size >= LIMIT || ![leaf, root, ...path].every(isHash)) return false;
  let fn = index;
  let sn = size - 1n;
  let hash = leaf;
  for (const sibling of path) {
    if (sn === 0n) return false;
    if ((fn & 1n) === 1n || fn === sn) {
      hash = nodeHash(sibling, hash);
      while ((fn & 1n) === 0n && fn !== 0n) {
        fn >>= 1n;
        sn >>= 1n;
      }
    } else {
      hash = nodeHash(hash, sibling);
    }
    fn >>= 1n;
    sn >>= 1n;
  }
  return sn === 0n && hash.equals(root);
}

export interface ConsistencyProof {
  size1: bigint;
  size2: bigint;
  root1: Buffer;
  root2: Buffer;
  path: readonly Buffer[];
}

/** RFC 9162 §2.1.4.2, which is defined for 0 < size1: every tree extends the empty one, so nothing would be proved. */
export function verifyConsistency({ size1, size2, root1, root2, path }: ConsistencyProof): boolean {
  if (size1 <= 0n || size1 > size2 || size2 >= LIMIT) return false;
  if (size1 === size2) return path.length === 0 && root1.equals(root2);
  if (![root1, root2, ...path].every(isHash)) return false;
  const isComplete = (size1 & (size1 - 1n)) === 0n;
  const [first, ...rest] = isComplete ? [root1, ...path] : path;
  if (first === undefined || path.length === 0) return false;
  let fn = size1 - 1n;
  let sn = size2 - 1n;
  while ((fn & 1n) === 1n) {
    fn >>= 1n;
    sn >>= 1n;
  }
  let [fr, sr] = [first, first];
  for (const hash of rest) {
    if (sn === 0n) return false;
    if ((fn & 1n) === 1n || fn === sn) {
      fr = nodeHash(hash, fr);
      sr = nodeHash(hash, sr);
      while ((fn & 1n) === 0n && fn !== 0n) {
        fn >>= 1n;
        sn >>= 1n;
      }
    } else {
      sr = nodeHash(sr, hash);
    }
    fn >>= 1n;
    sn >>= 1n;
  }
  return sn === 0n && fr.equals(root1) && sr.equals(root2);
}

/** Leaves `start` up to and without `end`. */
export interface Range {
  start: number;
  end: number;
}

/** The subtrees whose hashes are PATH(index, D[size]) (RFC 9162 §2.1.3.1), in the order of the proof. */
export function inclusionRanges(index: number, size: number, start = 0): Range[] {
  if (size <= 1) return [];
  const k = splitOf(size);
  return index < k
    ? [...inclusionRanges(index, k, start), { start: start + k, end: start + size }]
    : [...inclusionRanges(index - k, size - k, start + k), { start, end: start + k }];
}

/** The subtrees whose hashes are PROOF(first, D[size]) (RFC 9162 §2.1.4.1), in the order of the proof. */
export function consistencyRanges(first: number, size: number, start = 0, isOldRoot = true): Range[] {
  if (first === size) return isOldRoot ? [] : [{ start, end: start + size }];
  const k = splitOf(size);
  return first <= k
    ? [...consistencyRanges(first, k, start, isOldRoot), { start: start + k, end: start + size }]
    : [...consistencyRanges(first - k, size - k, start + k, false), { start, end: start + k }];
}

/** A complete subtree of 2^level leaves, the `index`-th of its level. */
export interface Subtree {
  level: number;
  index: number;
}

/** A range that begins at a multiple of its size's largest power of two, as complete subtrees from left to right. */
export function subtreesOf({ start, end }: Range): Subtree[] {
  const subtrees: Subtree[] = [];
  for (let from = start; from < end;) {
    const level = Math.floor(Math.log2(end - from));
    subtrees.push({ level, index: from / 2 ** level });
    from += 2 ** level;
  }
  return subtrees;
}

/** The largest power of two below `size`. */
function splitOf(size: number): number {
  const floor = 2 ** Math.floor(Math.log2(size));
  return floor === size ? size / 2 : floor;
}

function isHash(value: Buffer): boolean {
  return value.length === HASH_BYTES;
}

/** A growing tree of which only the right edge is kept: O(log n) memory, for whoever reads a trail from its beginning. */
export class GrowingTree {
  #size = 0;
  /** Roots of the complete subtrees of the size's binary digits, the largest first. */
  readonly #edge: Buffer[] = [];

  get size(): number {
    return this.#size;
  }

  append(leaf: Buffer): void {
    let hash = leaf;
    for (let n = this.#size; n % 2 === 1; n = (n - 1) / 2) hash = nodeHash(this.#edge.pop()!, hash);
    this.#edge.push(hash);
    this.#size++;
  }

  root(): Buffer {
    return this.#size === 0 ? emptyRoot() : joinRight(this.#edge);
  }
}
