/**
 * The `q8` activation mode: what integer kernels make of their activations, as the numbers the integers stand for.
 * Blocks of 32 for every weight type: a 256-weight block of a K-quant meets eight of them, each with its own scale, which is at least
 * as exact as one scale over 256.
 */

const ACTIVATION_BLOCK = 32;

/** Blocks whose largest value is below this are zeros: 127 / m would not be a finite f32. */
const SMALLEST = 2 ** -100;

/** x [T, columns] -> [T, columns], each value an integer of -127..127 times its block's f32 scale: exact in f64. */
export function roundActivations(x: Float32Array, columns: number): Float64Array {
  const out = new Float64Array(x.length);
  for (let row = 0; row < x.length; row += columns) {
    for (let start = 0; start < columns; start += ACTIVATION_BLOCK) {
      roundBlock(x, out, row + start, row + Math.min(start + ACTIVATION_BLOCK, columns));
    }
  }
  return out;
}

function roundBlock(x: Float32Array, out: Float64Array, start: number, end: number): void {
  let largest = 0;
  for (let i = start; i < end; i++) largest = Math.max(largest, Math.abs(x[i]!));
  if (largest < SMALLEST) return;
  const inverse = Math.fround(127 / largest);
  const scale = Math.fround(largest / 127);
  for (let i = start; i < end; i++) out[i] = roundHalfToEven(Math.fround(x[i]! * inverse)) * scale;
}

/** As f32x4.nearest and WGSL's round: halves go to the even neighbour, unlike Math.round. */
function roundHalfToEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest === 0.5) return floor % 2 === 0 ? floor : floor + 1;
  return rest < 0.5 ? floor : floor + 1;
}
