/**
 * Draws that are the same for the same payment, so that a plan can be repeated and replayed: no randomness, a hash.
 * Whoever chooses payment ids could choose where a payment goes among the targets of its rule; ids are made here.
 */

/** 32 bits of a text (FNV-1a), mixed so that near texts differ in every bit. */
export function hash32(text: string, seed = 0): number {
  let h = 0x811c9dc5 ^ seed;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  return mix(h);
}

/** The finalizer of MurmurHash3. */
function mix(h: number): number {
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** A number between 0 and 1, both excluded, for a payment and what it is drawn for. */
export function draw(payment: number, what: number): number {
  return (mix(payment ^ Math.imul(what, 0x9e3779b1)) + 0.5) / 0x1_0000_0000;
}

/**
 * A weighted order without replacement (Efraimidis and Spirakis 2006): the first is each with the probability of its
 * share, and leaving one out moves no payment but its own.
 */
export function drawKey(payment: number, what: number, weight: number): number {
  return Math.log(draw(payment, what)) / weight;
}
