/** RFC 8032 §5.1: the field, and the constant of the curve -x² + y² = 1 + d x² y². */
const P = 2n ** 255n - 19n;
const D = 37095705934669439343138083508754565189542113879843219016388785533085940283555n;

/** y of the points whose order divides 8, besides 0 and ±1 (orders 4, 1 and 2): the two of order 8. */
const ORDER_8 = new Set([
  2707385501144840649318225287225658788936804267575313519463743609750303402022n,
  55188659117513257062467267217118295137698188065244968500265048394206261417927n,
]);

/**
 * Whether 32 bytes encode a point that a signature can be bound to: canonical (y < p), on the curve, and not of small
 * order. Under a key of small order one signature verifies for many messages.
 */
export function isGoodEd25519Point(bytes: Buffer): boolean {
  const copy = Buffer.from(bytes);
  const sign = copy[31]! >> 7;
  copy[31]! &= 0x7f;
  const y = BigInt(`0x${copy.reverse().toString('hex')}`);
  if (y >= P || y === 0n || y === 1n || y === P - 1n || ORDER_8.has(y)) return false;
  const y2 = (y * y) % P;
  // x² = (y² - 1) / (d y² + 1); the denominator is never zero, since -1/d is no square.
  const x2 = (mod(y2 - 1n) * power(mod(D * y2 + 1n), P - 2n)) % P;
  if (x2 === 0n) return sign === 0;
  return power(x2, (P - 1n) / 2n) === 1n;
}

function mod(value: bigint): bigint {
  const rest = value % P;
  return rest < 0n ? rest + P : rest;
}

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n;
  for (let square = base, rest = exponent; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = (result * square) % P;
    square = (square * square) % P;
  }
  return result;
}
