/**
 * Half-precision numbers: IEEE 754 binary16 (ggml's F16 and the scales of its blocks) and bfloat16, to and from float32.
 * Decoding is a table look-up; encoding rounds to nearest, ties to even, as the hardware does.
 */

const floatScratch = new Float32Array(1);
const bitScratch = new Uint32Array(floatScratch.buffer);

/** The float32 of each of the 65,536 binary16 bit patterns: read it directly in hot loops. */
export const HALF_TO_FLOAT: Float32Array<ArrayBuffer> = makeHalfTable();

/** The binary16 bits of a number, rounded from its float32 value. Beyond +-65504 (rounded) infinity; NaN stays NaN. */
export function floatToHalf(value: number): number {
  floatScratch[0] = value;
  const bits = bitScratch[0]!;
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude >= 0x477ff000) {
    const notNumber = magnitude > 0x7f800000;
    return sign | 0x7c00 | (notNumber ? 0x200 | ((magnitude >>> 13) & 0x1ff) : 0);
  }
  if (magnitude < 0x38800000) {
    // Below 2^-14: added to 0.5, whose unit in the last place is that of subnormal halves, the sum rounds as we must.
    floatScratch[0] = Math.abs(floatScratch[0]!) + 0.5;
    return sign | (bitScratch[0]! - 0x3f000000);
  }
  return sign | ((magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13);
}

/** The bfloat16 bits of a number, rounded from its float32 value; NaN stays NaN. */
export function floatToBfloat16(value: number): number {
  floatScratch[0] = value;
  const bits = bitScratch[0]!;
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | 0x40;
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff;
}

function makeHalfTable(): Float32Array<ArrayBuffer> {
  const table = new Float32Array(65_536);
  for (let bits = 0; bits < 65_536; bits++) {
    const exponent = (bits >>> 10) & 31;
    const fraction = bits & 1023;
    const sign = bits & 0x8000 ? -1 : 1;
    if (exponent === 31) table[bits] = fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
    else if (exponent === 0) table[bits] = sign * fraction * 2 ** -24;
    else table[bits] = sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  }
  return table;
}
