/**
 * Float32 weights to blocks, as ggml's reference quantizers do it (quantize_row_*_ref in ggml-quants.c): for requantizing and
 * for making models. Sums and products are rounded to float32 where ggml's are, so that the same bytes come out.
 */
import { PixelError } from '../core/errors.ts';
import { floatToBfloat16, floatToHalf } from './half.ts';
import { quantizeQ4K, quantizeQ6K } from './quantize-k.ts';
import type { TensorType } from './tensor-types.ts';

type Quantizer = (values: Float32Array, target: Uint8Array<ArrayBuffer>, blocks: number) => void;

const QUANTIZERS: Readonly<Record<string, Quantizer>> = {
  F32: quantizeF32,
  F16: quantizeF16,
  BF16: quantizeBF16,
  Q8_0: quantizeQ8_0,
  Q4_0: quantizeQ4_0,
  Q4_K: quantizeQ4K,
  Q6_K: quantizeQ6K,
};

/** Where the half-precision scales of a block lie: by them it is seen whether the weights were too large for the type. */
const SCALE_OFFSETS: Readonly<Record<string, readonly number[]>> = {
  Q8_0: [0],
  Q4_0: [0],
  Q4_K: [0, 2],
  Q6_K: [208],
};

/** True when `quantize` knows the type. */
export function canQuantize(type: TensorType): boolean {
  return Object.hasOwn(QUANTIZERS, type.name);
}

/**
 * values: n x blockElements; returns n x blockBytes. F32, F16 and BF16 keep infinities and NaN (F16 makes infinity of what is
 * beyond it). A block type cannot hold them, nor weights whose scale is beyond half precision.
 * Throws `unsupported-type`, and `bad-argument` for such weights (naming the first) or a length that does not fit.
 */
export function quantize(type: TensorType, values: Float32Array): Uint8Array<ArrayBuffer> {
  const quantizer = canQuantize(type) ? QUANTIZERS[type.name] : undefined;
  if (!quantizer) throw new PixelError('unsupported-type', `Weights cannot be quantized to ${type.name}.`);
  const count = values.length / type.blockElements;
  if (!Number.isInteger(count)) {
    const message = `${values.length} weights are no whole number of ${type.name} blocks of ${type.blockElements}.`;
    throw new PixelError('bad-argument', message);
  }
  const target = new Uint8Array(count * type.blockBytes);
  if (type.blockElements > 1) checkWeights(type, values);
  quantizer(values, target, count);
  checkScales(type, target, count);
  return target;
}

/** Above what the scales of any block type reach, and low enough that sums of products stay finite in float32. */
const LARGEST_WEIGHT = 2 ** 31;

function checkWeights(type: TensorType, values: Float32Array): void {
  for (let i = 0; i < values.length; i++) {
    if (!(Math.abs(values[i]!) <= LARGEST_WEIGHT)) {
      throw new PixelError('bad-argument', `Weight ${i} is ${values[i]}, which ${type.name} cannot hold.`);
    }
  }
}

function checkScales(type: TensorType, blocks: Uint8Array, count: number): void {
  for (const offset of SCALE_OFFSETS[type.name] ?? []) {
    for (let block = 0, at = offset; block < count; block++, at += type.blockBytes) {
      if (((blocks[at + 1]! >> 2) & 31) !== 31) continue;
      const message = `Weights ${block * type.blockElements} and following are too large for ${type.name}.`;
      throw new PixelError('bad-argument', message);
    }
  }
}

function quantizeF32(values: Float32Array, target: Uint8Array): void {
  target.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
}

function quantizeF16(values: Float32Array, target: Uint8Array<ArrayBuffer>, count: number): void {
  const halves = new Uint16Array(target.buffer);
  for (let i = 0; i < count; i++) halves[i] = floatToHalf(values[i]!);
}

function quantizeBF16(values: Float32Array, target: Uint8Array<ArrayBuffer>, count: number): void {
  const halves = new Uint16Array(target.buffer);
  for (let i = 0; i < count; i++) halves[i] = floatToBfloat16(values[i]!);
}

/** d = the largest magnitude / 127; weights rounded half away from zero. */
function quantizeQ8_0(values: Float32Array, target: Uint8Array, blocks: number): void {
  for (let block = 0, from = 0, at = 0; block < blocks; block++, from += 32, at += 34) {
    let largest = 0;
    for (let i = 0; i < 32; i++) largest = Math.max(largest, Math.abs(values[from + i]!));
    const d = Math.fround(largest / 127);
    const inverse = d ? Math.fround(1 / d) : 0;
    writeHalf(target, at, d);
    for (let i = 0; i < 32; i++) {
      const scaled = Math.fround(values[from + i]! * inverse);
      target[at + 2 + i] = scaled < 0 ? -Math.floor(0.5 - scaled) : Math.floor(scaled + 0.5);
    }
  }
}

/** d = the weight of largest magnitude / -8, so that this one is met exactly; the others rounded, at most 15. */
function quantizeQ4_0(values: Float32Array, target: Uint8Array, blocks: number): void {
  for (let block = 0, from = 0, at = 0; block < blocks; block++, from += 32, at += 18) {
    let extreme = 0;
    for (let i = 0; i < 32; i++) {
      if (Math.abs(values[from + i]!) > Math.abs(extreme)) extreme = values[from + i]!;
    }
    const d = extreme / -8;
    const inverse = d ? Math.fround(1 / d) : 0;
    writeHalf(target, at, d);
    for (let i = 0; i < 16; i++) {
      target[at + 2 + i] = level(values[from + i]!, inverse) | (level(values[from + i + 16]!, inverse) << 4);
    }
  }
}

function level(value: number, inverse: number): number {
  return Math.max(0, Math.min(15, Math.trunc(Math.fround(Math.fround(value * inverse) + 8.5))));
}

function writeHalf(target: Uint8Array, at: number, value: number): void {
  const half = floatToHalf(value);
  target[at] = half & 255;
  target[at + 1] = half >> 8;
}
