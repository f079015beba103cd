/**
 * Weights for conformance cases, in memory: random blocks of any type that can be computed with, and the numbers they stand for.
 * Dequantization is proved elsewhere, against other people's vectors.
 */
import assert from 'node:assert/strict';
import { canDequantize, dequantize } from '../src/gguf/dequantize.ts';
import { floatToBfloat16, floatToHalf } from '../src/gguf/half.ts';
import type { TensorInfo } from '../src/gguf/head.ts';
import { TENSOR_TYPES, type TensorType, tensorTypeByName } from '../src/gguf/tensor-types.ts';
import type { ProgramWeight } from '../src/program/program.ts';
import { planeField, splitPlane } from '../src/pxi/planes.ts';
import { storedRows } from '../src/pxi/stored-rows.ts';
import type { WeightSource } from '../src/pxi/weight-source.ts';

/** Returns uniform numbers in [0, 1). */
export type Random = () => number;

export interface TestWeight {
  readonly weight: ProgramWeight;
  readonly blocks: Uint8Array<ArrayBuffer>;
  /** What the blocks stand for. */
  readonly values: Float32Array;
}

export const COMPUTED_TYPES: readonly TensorType[] = TENSOR_TYPES.filter(canDequantize);

/** The same numbers for the same seed, on any machine (xorshift32; Marsaglia, "Xorshift RNGs", 2003). */
export function seeded(seed: number): Random {
  let state = Math.imul(seed + 1, 0x9e3779b1);
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

export function randomWeight(name: string, typeName: string, shape: readonly number[], random: Random): TestWeight {
  const type = tensorTypeByName(typeName);
  assert.ok(type);
  const count = shape.reduce((product, size) => product * size, 1);
  assert.equal((shape.at(-1) ?? 0) % type.blockElements, 0, `${name}: rows of whole blocks`);
  const blocks = new Uint8Array((count / type.blockElements) * type.blockBytes);
  for (let start = 0; start < blocks.length; start += type.blockBytes) {
    fillBlock(type, new DataView(blocks.buffer, start, type.blockBytes), random);
  }
  const values = new Float32Array(count);
  dequantize(type, blocks, values);
  return { weight: { name, shape, type: typeName }, blocks, values };
}

export function memoryWeights(weights: readonly TestWeight[]): WeightSource {
  const tensors = new Map<string, TensorInfo>();
  for (const { weight, blocks } of weights) {
    const type = tensorTypeByName(weight.type);
    assert.ok(type);
    const dimensions = [...weight.shape].reverse();
    tensors.set(weight.name, { name: weight.name, type, dimensions, byteLength: blocks.length });
  }
  return {
    name: 'test weights',
    head: { metadata: new Map(), tensors },
    async readPlane(name, plane, rows, target) {
      const tensor = tensors.get(name);
      const found = weights.find(({ weight }) => weight.name === name);
      assert.ok(tensor && found);
      const rowBytes = storedRows(tensor).rowBytes;
      const bytes = found.blocks.subarray(rows.start * rowBytes, rows.end * rowBytes);
      assert.equal(target.length, (bytes.length / tensor.type.blockBytes) * planeField(tensor.type, plane).bytes);
      splitPlane(tensor.type, plane, bytes, target);
    },
    async dispose() {},
  };
}

/** Random bytes, but scales that are numbers of a sane size. */
function fillBlock(type: TensorType, block: DataView, random: Random): void {
  for (let i = 0; i < block.byteLength; i++) block.setUint8(i, Math.floor(random() * 256));
  for (const { name, offset, bytes } of type.fields) {
    const isScale = name === 'd' || name === 'dm';
    if (isScale)
      for (let i = 0; i < bytes; i += 2) block.setUint16(offset + i, floatToHalf(0.001 + random() / 100), true);
    if (name === 'e') block.setUint8(offset, 118 + Math.floor(random() * 4));
  }
  const value = 2 * random() - 1;
  if (type.name === 'F64') block.setFloat64(0, value, true);
  if (type.name === 'F32') block.setFloat32(0, value, true);
  if (type.name === 'F16') block.setUint16(0, floatToHalf(value), true);
  if (type.name === 'BF16') block.setUint16(0, floatToBfloat16(value), true);
}
