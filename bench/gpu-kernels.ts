/**
 * Products with one token on the GPU, one weight type after another, against the bandwidth of a kernel that only reads: `node
 * bench/gpu-kernels.ts [--adapter NAME] [--megabytes 64] [--rounds 5]`. Beside it the same bytes read from a texture_2d_array<u32> instead of a
 * buffer, and the same product with activations of 8 bits. First the check: the product against sums in doubles.
 */
import assert from 'node:assert/strict';
import { parseArgs } from 'node:util';
import { chooseAdapter } from '../packages/pixel-llm/src/backends/webgpu/adapters.ts';
import { GpuDevice } from '../packages/pixel-llm/src/backends/webgpu/gpu-device.ts';
import { canMultiplyPacked, matVecKernel } from '../packages/pixel-llm/src/backends/webgpu/kernels/mat-vec.ts';
import { READ_GROUPS, readKernel } from '../packages/pixel-llm/src/backends/webgpu/kernels/measure.ts';
import '../packages/pixel-llm/src/backends/webgpu/node.ts';
import { dequantize } from '../packages/pixel-llm/src/gguf/dequantize.ts';
import { tensorTypeByName } from '../packages/pixel-llm/src/gguf/tensor-types.ts';
import { splitPlane } from '../packages/pixel-llm/src/pxi/planes.ts';
import { GpuBench, type PreparedKernel } from './gpu-bench.ts';
import { gigabytesPerSecond, interleave, printTable, type ResultRow, rounded, saveResults } from './harness.ts';

const { values: options } = parseArgs({
  options: {
    adapter: { type: 'string' },
    megabytes: { type: 'string', default: '64' },
    rounds: { type: 'string', default: '5' },
    types: { type: 'string', default: 'Q4_0,Q8_0,Q4_K,Q6_K,F16' },
  },
});
const COLUMNS = 4096;
const BYTES = Number(options.megabytes) * 1e6;
const ROUNDS = { rounds: Number(options.rounds) };
/** Texels of a line; a layer is as many lines. */
const TEXTURE_SIZE = 1024;

const device = await GpuDevice.open(await chooseAdapter(options.adapter));
const bench = new GpuBench(device);
const results: ResultRow[] = [await compareTextures()];
for (const type of options.types.split(',')) results.push(await measure(type));
printTable(results);
console.log(await saveResults('gpu-kernels', results));
device.destroy();

async function measure(type: string): Promise<ResultRow> {
  const { blockElements, blockBytes, fields } = tensorTypeByName(type)!;
  const rowBytes = (COLUMNS / blockElements) * blockBytes;
  const rows = Math.floor(BYTES / rowBytes);
  const blocks = patternedBlocks(rows * rowBytes, blockBytes, fields);
  const planes = Object.fromEntries(
    fields.map(({ name, bytes }) => {
      const plane = new Uint8Array((blocks.length / blockBytes) * bytes);
      splitPlane(tensorTypeByName(type)!, name, blocks, plane);
      return [`matrix.${name}`, plane];
    }),
  );
  const x = Float32Array.from({ length: COLUMNS }, (_, i) => Math.sin(i));
  const kernel = matVecKernel(
    { matrices: [{ name: 'matrix', type, rows }], columns: COLUMNS, tokens: 1 },
    device.traits,
  );
  const product = await bench.prepare(kernel, { rows: 1, context: 0 }, { x, ...planes }, 4 * rows);
  checkFirst(await product.result(), blocks.subarray(0, rowBytes), type, x);
  const packed = await packedProduct(type, rows, planes);
  const read = await plainRead(blocks);
  const seconds = await interleave(
    { product: product.run, packed: packed?.run ?? (async () => {}), read: read.run },
    ROUNDS,
  );
  for (const run of [product, packed, read]) run?.dispose();
  return {
    what: `${type}, one token on ${device.name}, against a kernel that only reads`,
    ratio: rounded(seconds.read / seconds.product),
    target: 0.75,
    rates: {
      GBps: gigabytesPerSecond(blocks.length, seconds.product),
      readGBps: gigabytesPerSecond(blocks.length, seconds.read),
      GweightsPerS: rounded((rows * COLUMNS) / seconds.product / 1e9),
      ...(packed ? { q8GBps: gigabytesPerSecond(blocks.length, seconds.packed) } : {}),
    },
  };
}

/** The same with activations of 8 bits, where there is such a product. */
async function packedProduct(
  type: string,
  rows: number,
  planes: Readonly<Record<string, Uint8Array>>,
): Promise<PreparedKernel | undefined> {
  if (!device.traits.packedDot || !canMultiplyPacked(type, COLUMNS)) return undefined;
  const matrices = [{ name: 'matrix', type, rows }];
  const kernel = matVecKernel({ matrices, columns: COLUMNS, tokens: 1, activations: 'q8' }, device.traits);
  const x = Uint8Array.from({ length: COLUMNS }, (_, i) => i * 37);
  const scales = new Float32Array(COLUMNS / 32).fill(0.01);
  return bench.prepare(kernel, { rows: 1, context: 0 }, { x, x_scales: scales, ...planes }, 4 * rows);
}

async function compareTextures(): Promise<ResultRow> {
  const layers = Math.max(1, Math.floor(BYTES / (16 * TEXTURE_SIZE ** 2)));
  const bytes = new Uint8Array(layers * 16 * TEXTURE_SIZE ** 2).map((_, i) => i * 7);
  const buffer = await plainRead(bytes);
  const texture = device.device.createTexture({
    size: [TEXTURE_SIZE, TEXTURE_SIZE, layers],
    format: 'rgba32uint',
    // TEXTURE_BINDING and COPY_DST.
    usage: 0x4 | 0x2,
  });
  device.device.queue.writeTexture(
    { texture },
    bytes,
    { bytesPerRow: 16 * TEXTURE_SIZE, rowsPerImage: TEXTURE_SIZE },
    texture,
  );
  const quads = bytes.length / 16;
  const view = texture.createView({ dimension: '2d-array' });
  const kernel = readKernel(quads, device.traits, { size: TEXTURE_SIZE });
  const textured = await bench.prepare(kernel, { rows: 1, context: 0 }, {}, 4 * READ_GROUPS, {
    textures: { data: view },
  });
  assert.deepEqual(new Uint32Array((await textured.result()).buffer), new Uint32Array((await buffer.result()).buffer));
  const seconds = await interleave({ buffer: buffer.run, texture: textured.run }, ROUNDS);
  for (const run of [buffer, textured]) run.dispose();
  texture.destroy();
  return {
    what: `reading a texture_2d_array<u32> on ${device.name}, against a buffer`,
    ratio: rounded(seconds.buffer / seconds.texture),
    rates: {
      textureGBps: gigabytesPerSecond(bytes.length, seconds.texture),
      bufferGBps: gigabytesPerSecond(bytes.length, seconds.buffer),
    },
  };
}

function plainRead(bytes: Uint8Array): Promise<PreparedKernel> {
  const kernel = readKernel(Math.floor(bytes.length / 16), device.traits);
  return bench.prepare(kernel, { rows: 1, context: 0 }, { data: bytes }, 4 * READ_GROUPS);
}

/** Bytes that differ, and scales that are small numbers. */
function patternedBlocks(
  length: number,
  blockBytes: number,
  fields: readonly { name: string; offset: number; bytes: number }[],
): Uint8Array<ArrayBuffer> {
  const blocks = new Uint8Array(length);
  for (let i = 0; i < length; i++) blocks[i] = Math.imul(i, 2654435761) >>> 24;
  for (const { name, offset, bytes } of fields) {
    if (!['d', 'dm', 'v'].includes(name)) continue;
    for (let at = offset; at < length; at += blockBytes) {
      for (let i = 1; i < bytes; i += 2) blocks[at + i] = 0x20 + (blocks[at + i]! & 7);
    }
  }
  return blocks;
}

function checkFirst(found: Float32Array, row: Uint8Array, type: string, x: Float32Array): void {
  const weights = new Float32Array(COLUMNS);
  dequantize(tensorTypeByName(type)!, row, weights);
  const expected = weights.reduce((sum, weight, i) => sum + weight * x[i]!, 0);
  const usual = Math.hypot(...weights) * Math.hypot(...x);
  assert.ok(Math.abs(found[0]! - expected) < 1e-5 * usual, `${type}: ${found[0]} instead of ${expected}`);
}
