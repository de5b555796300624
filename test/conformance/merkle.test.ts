import { describe, expect, it } from 'vitest';
import { verifyConsistency, verifyInclusion } from '../../src/trust/merkle.ts';
import { haveVectors, MISSING, parseLossless, readVector } from './vectors.ts';

type Whole = number | string;
interface Inclusion {
  file: string;
  leafIdx: Whole;
  treeSize: Whole;
  root: string;
  leafHash: string;
  proof: string[] | null;
  wantErr: boolean;
}
interface Consistency {
  file: string;
  size1: Whole;
  size2: Whole;
  root1: string;
  root2: string;
  proof: string[] | null;
  wantErr: boolean;
}

const bytes = (text: string) => Buffer.from(text, 'base64');
const read = <T>(name: string) => (haveVectors ? (parseLossless(readVector(name)) as T[]) : []);

describe.skipIf(!haveVectors)('published Merkle proofs', () => {
  const inclusion = read<Inclusion>('merkle/inclusion.json');
  const consistency = read<Consistency>('merkle/consistency.json');

  it('are all there, with indexes beyond 2^53', () => {
    expect(inclusion.length).toBe(42);
    expect(consistency.length).toBe(49);
    expect(inclusion.map(({ leafIdx }) => leafIdx)).toContain('18446744073709551615');
  });

  it.each(inclusion)('inclusion $file', ({ leafIdx, treeSize, root, leafHash, proof, wantErr }) => {
    const valid = verifyInclusion({
      index: BigInt(leafIdx),
      size: BigInt(treeSize),
      leaf: bytes(leafHash),
      root: bytes(root),
      path: (proof ?? []).map(bytes),
    });
    expect(valid).toBe(!wantErr);
  });

  it.each(consistency)('consistency $file', ({ size1, size2, root1, root2, proof, wantErr }) => {
    const valid = verifyConsistency({
      size1: BigInt(size1),
      size2: BigInt(size2),
      root1: bytes(root1),
      root2: bytes(root2),
      path: (proof ?? []).map(bytes),
    });
    expect(valid).toBe(!wantErr);
  });
});

it.skipIf(haveVectors)(MISSING, ({ skip }) => {
  expect(haveVectors).toBe(false);
  skip(MISSING);
});
