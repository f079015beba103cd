/** Packed weights and their products against the plain definition: dequantized weights, rounded activations, sums in f64. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { dequantize } from '../../gguf/dequantize.ts';
import { floatToHalf } from '../../gguf/half.ts';
import type { TensorType } from '../../gguf/tensor-types.ts';
import { noise, typeNamed } from '../../gguf/testing.ts';
import { splitPlane } from '../../pxi/planes.ts';
import { matmul } from '../reference/matmul.ts';
import { type KernelBuild, KernelModule } from './kernel-module.ts';
import { requiredFormat } from './packed-formats.ts';
import { PackedMatrix } from './packed-matrix.ts';

const TYPES = ['F32', 'F16', 'BF16', 'Q4_0', 'Q4_1', 'Q5_0', 'Q5_1', 'Q8_0', 'Q3_K', 'Q4_K', 'Q5_K', 'Q6_K'];
const ODD_SHAPES = [[1, 1], [3, 33], [9, 70], [16, 256]] as const; // biome-ignore format: rows, columns
const BLOCK_SHAPES = [[1, 256], [6, 512], [19, 256], [24, 768], [12, 2304]] as const; // biome-ignore format: rows, columns
/** Sections of a row (assembly/blocks.ts) that end with one block. */
const SMALL_BLOCK_SHAPES = [...BLOCK_SHAPES, [5, 1056]] as const;
const TOKENS = 11;

for (const build of ['relaxed', 'plain'] as const) {
  for (const name of TYPES) {
    const type = typeNamed(name);
    const shapes =
      type.blockElements === 1 ? ODD_SHAPES : type.blockElements === 32 ? SMALL_BLOCK_SHAPES : BLOCK_SHAPES;
    void test(`${build} kernels multiply ${name} weights as defined, and give a token the same bits in any batch`, () => {
      for (const [rows, columns] of shapes) checkMatrix(build, type, rows, columns);
    });
    void test(`${build} kernels give back rows of ${name} weights exactly`, () => {
      for (const [rows, columns] of shapes) checkRows(build, type, rows, columns);
    });
  }
}

void test('a weight that is not finite is refused when it is packed', () => {
  const module = kernels('relaxed');
  for (const name of ['F32', 'F16', 'BF16', 'Q4_0', 'Q5_1', 'Q6_K']) {
    const type = typeNamed(name);
    const blocks = randomBlocks(type, 1024 / type.blockElements);
    const scale = type.fields.find((field) => ['d', 'dm', 'v'].includes(field.name))!;
    blocks.fill(0xff, scale.offset, scale.offset + scale.bytes);
    assert.throws(() => packed(module, type, blocks, 4, 256), { code: 'not-finite' }, name);
  }
});

void test('products come out the same whichever way a machine multiplies', () => {
  for (const name of ['Q4_0', 'Q4_1', 'Q5_0', 'Q5_1', 'Q8_0', 'Q3_K', 'Q4_K', 'Q5_K', 'Q6_K']) {
    const type = typeNamed(name);
    const blocks = randomBlocks(type, (24 * 512) / type.blockElements);
    const x = randomFloats(TOKENS * 512);
    const found = (['pairs', 'signed', 'unsigned'] as const).flatMap((kind) => {
      const module = kernels('relaxed');
      // Only where a machine says so are sums of four of 8-bit weights exact.
      if (kind === 'unsigned' && name === 'Q8_0' && module.dotKind !== 'unsigned') return [];
      Object.defineProperty(module, 'dotKind', { value: kind });
      return [multiply(module, packed(module, type, blocks, 24, 512), x)];
    });
    for (const result of found) assert.deepEqual(result, found[0], name);
  }
});

function checkMatrix(build: KernelBuild, type: TensorType, rows: number, columns: number): void {
  const module = kernels(build);
  const blocks = randomBlocks(type, (rows * columns) / type.blockElements);
  const matrix = packed(module, type, blocks, rows, columns);
  const x = randomFloats(TOKENS * columns);
  const bias = randomFloats(rows);
  const together = multiply(module, matrix, x, bias);
  const activations = matrix.format.isInteger ? 'q8' : 'f32';
  const expected = matmul(x, dequantized(type, blocks), bias, { rows, columns, activations });
  const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-9);
  const worst = expected.reduce((most, value, i) => Math.max(most, Math.abs(value - together[i]!)), 0);
  assert.ok(worst / largest < 3e-6, `${rows} x ${columns}: relative difference ${worst / largest}`);
  for (const count of [1, 2, 5]) {
    const some = multiply(module, matrix, x.slice(0, count * columns), bias);
    assert.deepEqual(some, together.slice(0, count * rows), `${count} tokens`);
  }
}

function checkRows(build: KernelBuild, type: TensorType, rows: number, columns: number): void {
  const module = kernels(build);
  const blocks = randomBlocks(type, (rows * columns) / type.blockElements);
  const matrix = packed(module, type, blocks, rows, columns);
  const expected = dequantized(type, blocks);
  const out = module.take(4 * columns);
  const scratch = module.take(matrix.scratchBytes);
  for (let row = 0; row < rows; row++) {
    matrix.row(row, out, scratch);
    const found = module.f32.slice(out / 4, out / 4 + columns);
    const own = expected.subarray(row * columns, (row + 1) * columns);
    const tolerance = 2e-7 * own.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    for (const [i, value] of found.entries())
      assert.ok(Math.abs(value - own[i]!) <= tolerance, `row ${row}, column ${i}`);
  }
}

function multiply(module: KernelModule, matrix: PackedMatrix, x: Float32Array, bias?: Float32Array): Float32Array {
  const { rows, columns } = matrix;
  const tokens = x.length / columns;
  const place = (values: Float32Array) => {
    const address = module.take(values.byteLength + 64);
    module.f32.set(values, address / 4);
    return address;
  };
  const operands = {
    tokens,
    x: place(x),
    quantized: module.take(2 * x.length),
    meta: module.take(20 * Math.ceil(x.length / 32)),
    out: module.take(4 * tokens * rows + 64),
    bias: bias ? place(bias) : 0,
    scratch: module.take(matrix.productScratchBytes(tokens)),
  };
  if (matrix.format.isInteger) {
    module.kernel('quantizeRows')(operands.x, x.length / 32, operands.quantized, operands.meta);
  }
  matrix.product(operands);
  return module.f32.slice(operands.out / 4, operands.out / 4 + tokens * rows);
}

function packed(
  module: KernelModule,
  type: TensorType,
  blocks: Uint8Array,
  rows: number,
  columns: number,
): PackedMatrix {
  const format = requiredFormat(type.name);
  const matrix = new PackedMatrix(module, format, rows, columns);
  const planes = format.planes.filter(Boolean).map((name) => {
    const field = type.fields.find((candidate) => candidate.name === name)!;
    const plane = new Uint8Array((blocks.length / type.blockBytes) * field.bytes);
    splitPlane(type, name, blocks, plane);
    return plane;
  });
  matrix.pack(0, rows, planes, module.take(matrix.scratchBytes));
  return matrix;
}

function dequantized(type: TensorType, blocks: Uint8Array): Float32Array {
  const values = new Float32Array((blocks.length / type.blockBytes) * type.blockElements);
  dequantize(type, blocks, values);
  return values;
}

/** Noise, with scales and floats that are numbers of a weight's size, some of them subnormal halves. */
function randomBlocks(type: TensorType, count: number): Uint8Array {
  const blocks = noise(count * type.blockBytes, count);
  const view = new DataView(blocks.buffer);
  const values = randomFloats(2 * count);
  for (let block = 0; block < count; block++) {
    const at = block * type.blockBytes;
    const value = values[block]! * (block % 7 === 0 ? 1e-5 : 0.05);
    for (const { name, offset } of type.fields) {
      if (name === 'd' || name === 'dm') view.setUint16(at + offset, floatToHalf(value), true);
      if (name === 'dm') view.setUint16(at + offset + 2, floatToHalf(values[count + block]! * 0.1), true);
      if (name === 'v' && type.name === 'F32') view.setFloat32(at, value, true);
      if (name === 'v' && type.name === 'F16') view.setUint16(at, floatToHalf(value), true);
      if (name === 'v' && type.name === 'BF16') view.setUint16(at, floatToHalf(0.1 * value) | 0x3000, true);
    }
  }
  return blocks;
}

function randomFloats(count: number): Float32Array {
  const bytes = noise(4 * count, count + 7);
  const words = new Uint32Array(bytes.buffer);
  return Float32Array.from(words, (word) => (word / 2 ** 32) * 4 - 2);
}

function kernels(build: KernelBuild): KernelModule {
  return new KernelModule(new WebAssembly.Module(readFileSync(new URL(`./kernels-${build}.wasm`, import.meta.url))));
}
