/**
 * A number below 2^32 that a decision draws: the same for the same seed whenever and wherever it is drawn, and even over
 * all decisions, so that a sample and the examples depend neither on order nor on interruptions. FNV-1a over UTF-16 code
 * units with the last mixing of MurmurHash3.
 */
export function rankOf(seed: string, id: string): number {
  let hash = 0x811c9dc5;
  for (const text of [seed, '\n', id]) {
    for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** Whether a decision belongs to a sample of that share, 0 to 1. */
export function isSampled(seed: string, id: string, share: number): boolean {
  return share >= 1 || rankOf(seed, id) < share * 2 ** 32;
}
