/** A model with an adapter computes what the merged model does, on every device, whatever the base's type. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { selectBackend } from '../src/backends/select.ts';
import '../src/backends/wasm/node.ts';
import { testDevice, useDriver } from '../src/backends/webgpu/testing.ts';
import { isPixelError } from '../src/core/errors.ts';
import { rowsOf } from '../src/gguf/head.ts';
import { adaptProgram } from '../src/program/adapt-program.ts';
import { buildProgram } from '../src/program/build-program.ts';
import type { Program } from '../src/program/program.ts';
import { readAdapter, withAdapterTensors } from '../src/pxi/adapter.ts';
import { type MemoryTensor, memoryWeights } from '../src/pxi/memory-weights.ts';
import { readRows } from '../src/pxi/read-rows.ts';
import type { WeightSource } from '../src/pxi/weight-source.ts';
import { newAdapter } from '../src/train/new-adapter.ts';
import { seeded } from './conformance-weights.ts';
import { tinyWeights } from './tiny-model.ts';

useDriver('swiftshader');
const TOKENS = Int32Array.from({ length: 9 }, (_, i) => 3 + 11 * i);
const OPTIONS = { rank: 3, alpha: 6, seed: 2, name: 'test', base: { name: 'tiny', sha256: '' } };

/** An adapter whose B is not zero: it changes something. */
async function busyAdapter(base: WeightSource, zeroB = false): Promise<WeightSource> {
  const fresh = newAdapter(base.head, buildProgram(base.head), OPTIONS);
  const random = seeded(4);
  const tensors = new Map<string, MemoryTensor>();
  for (const tensor of fresh.head.tensors.values()) {
    const values = await readRows(fresh, tensor.name, { start: 0, end: rowsOf(tensor) });
    const changes = tensor.name.endsWith('b') && !zeroB;
    const changed = changes ? values.map(() => 0.2 * (2 * random() - 1)) : values;
    tensors.set(tensor.name, { dimensions: tensor.dimensions, values: changed });
  }
  return memoryWeights('adapter', fresh.head.metadata, tensors);
}

async function logits(
  device: 'reference' | 'cpu' | 'gpu',
  program: Program,
  weights: WeightSource,
): Promise<Float32Array> {
  const backend = await selectBackend(device, { threads: 1, gpuAdapter: 'swiftshader' });
  const executor = await backend.load(program, weights, { pageCount: 1 });
  try {
    const entries = Int32Array.from(TOKENS.keys());
    const batch = {
      sequences: new Int32Array(TOKENS.length),
      positions: entries,
      pages: [[0]],
      outputEntries: entries,
    };
    const { values } = await executor.step({ ...batch, inputs: { tokens: TOKENS } }, { readBack: ['logits'] });
    return values.get('logits') as Float32Array;
  } finally {
    await executor.dispose();
  }
}

function largestDifference(a: Float32Array, b: Float32Array): number {
  return Math.max(...a.map((value, i) => Math.abs(value - b[i]!)));
}

/** The base with the adapter added to its weights, by the formula. */
async function mergedByHand(base: WeightSource, adapter: WeightSource): Promise<WeightSource> {
  const { weights } = readAdapter(adapter, base.head);
  const tensors = new Map<string, MemoryTensor>();
  for (const tensor of base.head.tensors.values()) {
    const values = await readRows(base, tensor.name, { start: 0, end: rowsOf(tensor) });
    const adapted = weights.get(tensor.name);
    if (adapted) {
      const { rank, scale } = adapted;
      const [columns = 0, rows = 0] = tensor.dimensions;
      const [a, b] = [
        await readRows(adapter, adapted.a.name, { start: 0, end: rank }),
        await readRows(adapter, adapted.b.name, { start: 0, end: rows }),
      ];
      for (let i = 0; i < rows; i++) {
        for (let k = 0; k < columns; k++) {
          for (let r = 0; r < rank; r++) values[i * columns + k]! += scale * b[i * rank + r]! * a[r * columns + k]!;
        }
      }
    }
    tensors.set(tensor.name, { dimensions: tensor.dimensions, values });
  }
  return memoryWeights('merged', base.head.metadata, tensors);
}

test('applied beside a model, an adapter is what it is merged in, on every device', async (context: TestContext) => {
  const base = tinyWeights();
  const adapter = await busyAdapter(base);
  const merged = await mergedByHand(base, adapter);
  const expected = await logits('reference', buildProgram(merged.head), merged);
  const plain = await logits('reference', buildProgram(base.head), base);
  assert.ok(largestDifference(plain, expected) > 0.5, 'the adapter changes something');
  const program = adaptProgram(buildProgram(base.head), readAdapter(adapter, base.head).weights);
  const devices = (await testDevice(context))
    ? (['reference', 'cpu', 'gpu'] as const)
    : (['reference', 'cpu'] as const);
  for (const device of devices) {
    const found = await logits(device, program, withAdapterTensors(base, adapter));
    // Keys and values in f16 on cpu and gpu.
    assert.ok(largestDifference(found, expected) < (device === 'reference' ? 1e-4 : 0.02), device);
  }
});

test('an adapter that has learned nothing changes no bit', async () => {
  const base = tinyWeights();
  const adapter = await busyAdapter(base, true);
  const program = adaptProgram(buildProgram(base.head), readAdapter(adapter, base.head).weights);
  const found = await logits('reference', program, withAdapterTensors(base, adapter));
  assert.deepEqual(found, await logits('reference', buildProgram(base.head), base));
});

test('what does not fit is refused: other shapes, half a pair, no adapter, weights that are no products', async () => {
  const base = tinyWeights();
  const adapter = await busyAdapter(base);
  const tensors = new Map(adapter.head.tensors);
  const [first = ''] = tensors.keys();
  tensors.delete(first.replace(/a$/, 'b'));
  const refusals = [
    [() => readAdapter({ name: 'half', head: { ...adapter.head, tensors } }, base.head), 'other-model'],
    [() => readAdapter(base, base.head), 'unknown-format'],
    [() => newAdapter(base.head, buildProgram(base.head), { ...OPTIONS, targets: ['norm'] }), 'bad-argument'],
    [
      () => {
        const { weights } = readAdapter(adapter, base.head);
        const [weight] = weights.values();
        return adaptProgram(
          buildProgram(base.head),
          new Map([['token_embd.weight', { ...weight!, weight: 'token_embd.weight' }]]),
        );
      },
      'unknown-tensor',
    ],
  ] as const;
  for (const [refused, code] of refusals) assert.throws(refused, (error) => isPixelError(error, code), code);
});
