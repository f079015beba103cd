/**
 * Blocks of every computable tensor type to float32, bit for bit as libggml does it: what the reference executor, the heat
 * map and requantization read weights with. Products of a half-precision scale and a small integer are exact in a double, and
 * so are their sums with a half-precision minimum; the one rounding is the store into the Float32Array.
 * Source of the formulas: ggml's dequantize_row_* (ggml-quants.c); MXFP4: OCP Microscaling Formats 1.0.
 */
import { PixelError } from '../core/errors.ts';
import {
  dequantizeIQ4XS,
  dequantizeQ2K,
  dequantizeQ3K,
  dequantizeQ4K,
  dequantizeQ5K,
  dequantizeQ6K,
} from './dequantize-k.ts';
import { HALF_TO_FLOAT } from './half.ts';
import { IQ4_LEVELS, MXFP4_LEVELS } from './levels.ts';
import type { TensorType } from './tensor-types.ts';

type Dequantizer = (bytes: Uint8Array, target: Float32Array, blocks: number) => void;

const DEQUANTIZERS: Readonly<Record<string, Dequantizer>> = {
  F32: dequantizeF32,
  F16: dequantizeF16,
  BF16: dequantizeBF16,
  F64: dequantizeF64,
  Q4_0: dequantizeQ4_0,
  Q4_1: dequantizeQ4_1,
  Q5_0: dequantizeQ5_0,
  Q5_1: dequantizeQ5_1,
  Q8_0: dequantizeQ8_0,
  IQ4_NL: dequantizeIQ4NL,
  MXFP4: dequantizeMXFP4,
  Q2_K: dequantizeQ2K,
  Q3_K: dequantizeQ3K,
  Q4_K: dequantizeQ4K,
  Q5_K: dequantizeQ5K,
  Q6_K: dequantizeQ6K,
  IQ4_XS: dequantizeIQ4XS,
};

/** True when `dequantize` knows the type. */
export function canDequantize(type: TensorType): boolean {
  return Object.hasOwn(DEQUANTIZERS, type.name);
}

/**
 * blocks: n x blockBytes; target: n x blockElements.
 * Throws `unsupported-type`, `bad-argument` when the lengths do not fit.
 */
export function dequantize(type: TensorType, blocks: Uint8Array, target: Float32Array): void {
  const dequantizer = canDequantize(type) ? DEQUANTIZERS[type.name] : undefined;
  if (!dequantizer) {
    throw new PixelError('unsupported-type', `Weights of the type ${type.name} cannot be computed with.`);
  }
  const count = blocks.length / type.blockBytes;
  if (!Number.isInteger(count) || target.length !== count * type.blockElements) {
    const message = `${blocks.length} bytes of ${type.name} blocks do not make ${target.length} weights.`;
    throw new PixelError('bad-argument', message);
  }
  dequantizer(blocks, target, count);
}

function dequantizeF32(bytes: Uint8Array, target: Float32Array): void {
  new Uint8Array(target.buffer, target.byteOffset, target.byteLength).set(bytes);
}

function dequantizeF16(bytes: Uint8Array, target: Float32Array, count: number): void {
  for (let i = 0, at = 0; i < count; i++, at += 2) target[i] = HALF_TO_FLOAT[bytes[at]! | (bytes[at + 1]! << 8)]!;
}

function dequantizeBF16(bytes: Uint8Array, target: Float32Array, count: number): void {
  const bits = new Uint32Array(target.buffer, target.byteOffset, count);
  for (let i = 0, at = 0; i < count; i++, at += 2) bits[i] = (bytes[at]! << 16) | (bytes[at + 1]! << 24);
}

function dequantizeF64(bytes: Uint8Array, target: Float32Array, count: number): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let i = 0; i < count; i++) target[i] = view.getFloat64(8 * i, true);
}

/** d f16, then 16 bytes: low halves are weights 0..15, high halves 16..31; less 8. */
function dequantizeQ4_0(bytes: Uint8Array, target: Float32Array, blocks: number): void {
  for (let block = 0, at = 0, to = 0; block < blocks; block++, at += 18, to += 32) {
    const d = HALF_TO_FLOAT[bytes[at]! | (bytes[at + 1]! << 8)]!;
    for (let i = 0; i < 16; i++) {
      const q = bytes[at + 2 + i]!;
      target[to + i] = ((q & 15) - 8) * d;
      target[to + i + 16] = ((q >> 4) - 8) * d;
    }
  }
}

/** d f16, m f16, then 16 bytes as Q4_0, unsigned. */
function dequantizeQ4_1(bytes: Uint8Array, target: Float32Array, blocks: number): void {
  for (let block = 0, at = 0, to = 0; block < blocks; block++, at += 20, to += 32) {
    const d = HALF_TO_FLOAT[bytes[at]! | (bytes[at + 1]! << 8)]!;
    const m = HALF_TO_FLOAT[bytes[at + 2]! | (bytes[at + 3]! << 8)]!;
    for (let i = 0; i < 16; i++) {
      const q = bytes[at + 4 + i]!;
      target[to + i] = (q & 15) * d + m;
      target[to + i + 16] = (q >> 4) * d + m;
    }
  }
}

/** d f16, 32 fifth bits, 16 bytes of low halves as Q4_0; less 16. */
function dequantizeQ5_0(bytes: Uint8Array, target: Float32Array, blocks: number): void {
  for (let block = 0, at = 0, to = 0; block < blocks; block++, at += 22, to += 32) {
    const d = HALF_TO_FLOAT[bytes[at]! | (bytes[at + 1]! << 8)]!;
    const high = bytes[at + 2]! | (bytes[at + 3]! << 8) | (bytes[at + 4]! << 16) | (bytes[at + 5]! << 24);
    for (let i = 0; i < 16; i++) {
      const q = bytes[at + 6 + i]!;
      target[to + i] = (((q & 15) | (((high >>> i) & 1) << 4)) - 16) * d;
      target[to + i + 16] = (((q >> 4) | (((high >>> (i + 16)) & 1) << 4)) - 16) * d;
    }
  }
}

/** d f16, m f16, 32 fifth bits, 16 bytes of low halves; unsigned. */
function dequantizeQ5_1(bytes: Uint8Array, target: Float32Array, blocks: number): void {
  for (let block = 0, at = 0, to = 0; block < blocks; block++, at += 24, to += 32) {
    const d = HALF_TO_FLOAT[bytes[at]! | (bytes[at + 1]! << 8)]!;
    const m = HALF_TO_FLOAT[bytes[at + 2]! | (bytes[at + 3]! << 8)]!;
    const high = bytes[at + 4]! | (bytes[at + 5]! << 8) | (bytes[at + 6]! << 16) | (bytes[at + 7]! << 24);
    for (let i = 0; i < 16; i++) {
      const q = bytes[at + 8 + i]!;
      target[to + i] = ((q & 15) | (((high >>> i) & 1) << 4)) * d + m;
      target[to + i + 16] = ((q >> 4) | (((high >>> (i + 16)) & 1) << 4)) * d + m;
    }
  }
}

/** d f16, 32 signed bytes. */
function dequantizeQ8_0(bytes: Uint8Array, target: Float32Array, blocks: number): void {
  for (let block = 0, at = 0, to = 0; block < blocks; block++, at += 34, to += 32) {
    const d = HALF_TO_FLOAT[bytes[at]! | (bytes[at + 1]! << 8)]!;
    for (let i = 0; i < 32; i++) target[to + i] = ((bytes[at + 2 + i]! << 24) >> 24) * d;
  }
}

/** As Q4_0, but each half byte is an index into uneven levels. */
function dequantizeIQ4NL(bytes: Uint8Array, target: Float32Array, blocks: number): void {
  for (let block = 0, at = 0, to = 0; block < blocks; block++, at += 18, to += 32) {
    const d = HALF_TO_FLOAT[bytes[at]! | (bytes[at + 1]! << 8)]!;
    for (let i = 0; i < 16; i++) {
      const q = bytes[at + 2 + i]!;
      target[to + i] = IQ4_LEVELS[q & 15]! * d;
      target[to + i + 16] = IQ4_LEVELS[q >> 4]! * d;
    }
  }
}

/** e: a power of two, 2^(e - 127); the levels are twice the 4-bit floats, hence 2^(e - 128). 16 bytes as Q4_0. */
function dequantizeMXFP4(bytes: Uint8Array, target: Float32Array, blocks: number): void {
  for (let block = 0, at = 0, to = 0; block < blocks; block++, at += 17, to += 32) {
    const d = 2 ** (bytes[at]! - 128);
    for (let i = 0; i < 16; i++) {
      const q = bytes[at + 1 + i]!;
      target[to + i] = MXFP4_LEVELS[q & 15]! * d;
      target[to + i + 16] = MXFP4_LEVELS[q >> 4]! * d;
    }
  }
}
