/**
 * The matrix products of the device `cpu`, one weight type after another, on one thread: `node bench/cpu-kernels.ts [--megabytes 96]
 * [--columns 1024] [--rounds 7] [--types Q8_0,Q4_0] [--no-save]`. Weights a second from memory with one token (against reading memory in order, which is what limits it), and
 * multiply-adds a second with 8 and 128 tokens. First the check: 8 tokens together give the bits of one.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { KernelModule, supportedBuild } from '../packages/pixel-llm/src/backends/wasm/kernel-module.ts';
import { packedBytes, requiredFormat } from '../packages/pixel-llm/src/backends/wasm/packed-formats.ts';
import { PackedMatrix } from '../packages/pixel-llm/src/backends/wasm/packed-matrix.ts';
import { tensorTypeByName } from '../packages/pixel-llm/src/gguf/tensor-types.ts';
import { interleave, printTable, type ResultRow, rounded, saveResults } from './harness.ts';

const { values: options } = parseArgs({
  options: {
    megabytes: { type: 'string', default: '96' },
    columns: { type: 'string', default: '1024' },
    rounds: { type: 'string', default: '7' },
    types: { type: 'string', default: 'F32,F16,BF16,Q8_0,Q6_K,Q5_K,Q5_1,Q5_0,Q4_K,Q4_1,Q4_0,Q3_K' },
    'no-save': { type: 'boolean' },
  },
});
const TYPES = options.types.split(',');
const COLUMNS = Number(options.columns);
const BYTES = Number(options.megabytes) * 1e6;
/** Rows for products with many tokens: what fits the caches, so that arithmetic is what is timed. */
const FEW_ROWS = 4 * Math.max(1, Math.floor(131_072 / COLUMNS));

const kernelFile = `../packages/pixel-llm/src/backends/wasm/kernels-${supportedBuild()}.wasm`;
const compiled = new WebAssembly.Module(readFileSync(new URL(kernelFile, import.meta.url)));
const [first, second] = [Buffer.alloc(BYTES, 1), Buffer.alloc(BYTES, 1)];

const results: ResultRow[] = [];
for (const type of TYPES) results.push(await measure(type));
printTable(results);
if (!options['no-save']) console.log(await saveResults('cpu-kernels', results));

async function measure(type: string): Promise<ResultRow> {
  const module = new KernelModule(compiled);
  const format = requiredFormat(type);
  const groups = Math.floor(BYTES / format.groupBytes(COLUMNS));
  const large = randomMatrix(module, type, 4 * groups);
  const small = randomMatrix(module, type, FEW_ROWS);
  const operands = activations(module, 128, Math.max(128 * FEW_ROWS, 8 * large.rows));
  const multiply = (matrix: PackedMatrix, tokens: number): void => {
    matrix.product({ ...operands, tokens });
  };
  multiply(small, 1);
  const alone = module.f32.slice(operands.out / 4, operands.out / 4 + FEW_ROWS);
  multiply(small, 8);
  assert.deepEqual(module.f32.slice(operands.out / 4, operands.out / 4 + FEW_ROWS), alone);
  const seconds = await interleave(
    {
      read: async () => assert.equal(first.compare(second), 0),
      one: async () => multiply(large, 1),
      cached: async () => {
        for (let i = 0; i < 100; i++) multiply(small, 1);
      },
      eight: async () => multiply(large, 8),
      many: async () => multiply(small, 128),
    },
    { rounds: Number(options.rounds) },
  );
  const weights = large.rows * COLUMNS;
  const bytes = packedBytes(format, large.rows, COLUMNS);
  const read = (2 * BYTES) / seconds.read;
  return {
    what: `${type}, one token, against reading in order`,
    ratio: rounded(bytes / seconds.one / read),
    rates: {
      GweightsPerS: rounded(weights / seconds.one / 1e9),
      GBps: rounded(bytes / seconds.one / 1e9),
      readGBps: rounded(read / 1e9),
      cachedGweightsPerS: rounded((100 * FEW_ROWS * COLUMNS) / seconds.cached / 1e9),
      tokens8GmaddsPerS: rounded((8 * weights) / seconds.eight / 1e9),
      tokens128GmaddsPerS: rounded((128 * FEW_ROWS * COLUMNS) / seconds.many / 1e9),
    },
  };
}

/** The same four random rows again and again. */
function randomMatrix(module: KernelModule, type: string, rowCount: number): PackedMatrix {
  const format = requiredFormat(type);
  const { fields, blockElements } = tensorTypeByName(type)!;
  const matrix = new PackedMatrix(module, format, rowCount, COLUMNS);
  const planes = format.planes.filter(Boolean).map((name) => {
    const { bytes } = fields.find((field) => field.name === name)!;
    const plane = new Uint8Array((4 * COLUMNS * bytes) / blockElements);
    // Halves and floats of ordinary size; whatever else is random.
    const isNumber = ['d', 'dm', 'v'].includes(name);
    return plane.map((_, i) => (isNumber ? 0x20 + (Math.imul(i, 2654435761) >>> 29) : Math.imul(i, 2654435761) >>> 24));
  });
  const scratch = module.take(matrix.scratchBytes);
  for (let row = 0; row < rowCount; row += 4) matrix.pack(row, 4, planes, scratch);
  return matrix;
}

function activations(module: KernelModule, tokens: number, outputs: number) {
  const count = tokens * COLUMNS;
  const operands = {
    x: module.take(4 * count),
    quantized: module.take(2 * count),
    meta: module.take(count),
    out: module.take(4 * outputs + 64),
    bias: 0,
    scratch: module.take(1 << 20),
  };
  for (let i = 0; i < count; i++) module.f32[operands.x / 4 + i] = Math.sin(i);
  module.kernel('quantizeRows')(operands.x, count / 32, operands.quantized, operands.meta);
  return operands;
}
