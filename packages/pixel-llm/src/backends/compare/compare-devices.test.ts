/** A comparison that cannot find anything proves nothing: faults are planted, and the op that has them must be named, no other. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { golden, goldenModels, goldenTest } from '../../../test/goldens.ts';
import { tinyWeights } from '../../../test/tiny-model.ts';
import { LIMITS } from '../../core/limits.ts';
import { openGgufFile } from '../../gguf/node.ts';
import { buildProgram } from '../../program/build-program.ts';
import type { OpName } from '../../program/program.ts';
import { createGgufWeights } from '../../pxi/gguf-weights.ts';
import { madeHead } from '../../pxi/make-model/make-model.ts';
import { createReferenceBackend } from '../reference/backend.ts';
import { type OpTable, REFERENCE_OPS } from '../reference/op-table.ts';
import type { Backend, Executor } from '../types.ts';
import { createCpuBackend } from '../wasm/backend.ts';
import '../wasm/node.ts';
import { compareDevices } from './compare-devices.ts';
import type { DeviceComparison } from './comparison.ts';
import { differenceOf } from './difference.ts';
import { isolateOps, stretchesOf } from './isolate-ops.ts';

const PROMPT = [1, 60, 7, 100, 33, 90, 12, 5, 6, 9, 127];

async function compareTiny(device: Backend, prompt: readonly number[] = PROMPT): Promise<DeviceComparison> {
  const weights = tinyWeights();
  const program = buildProgram(weights.head, { activations: 'q8' });
  return compareDevices(program, weights, createReferenceBackend(), device, { prompt });
}

/** The reference, in which the nth call of an op within a step of `tokens` entries gives something else. */
function faulty(name: OpName, call: number, tokens: number, change: (values: Float32Array) => void): Backend {
  const calls = new Map<object, number>();
  const right = REFERENCE_OPS[name] as (call: unknown) => Float32Array | Int32Array;
  const broken: OpTable[OpName] = (given: { batch: { positions: Int32Array } }) => {
    const count = calls.get(given.batch) ?? 0;
    calls.set(given.batch, count + 1);
    const result = right(given);
    if (count === call && given.batch.positions.length === tokens && result instanceof Float32Array) change(result);
    return result as never;
  };
  return createReferenceBackend({ ...REFERENCE_OPS, [name]: broken });
}

test('a device agrees with itself, in every op and exactly', async () => {
  const { ops, first, steps } = await compareTiny(createReferenceBackend());
  assert.equal(first, undefined);
  assert.equal(steps.length, 3);
  assert.ok(ops.every(({ difference }) => difference === 0));
  const { ops: own } = buildProgram(tinyWeights().head);
  assert.deepEqual(
    ops.filter(({ op }) => op !== 'cache' && op !== 'whole').map(({ op, out }) => [op, out]),
    own.map(({ op, out }) => [op, out]),
  );
});

for (const threads of [1, 2]) {
  test(`cpu with ${threads} thread(s) agrees with the reference on a tiny model`, async () => {
    const { ops, first } = await compareTiny(createCpuBackend({ threads }));
    assert.equal(first, undefined);
    // Not because nothing was compared: sums in another order differ a little.
    assert.ok(ops.some(({ op, difference }) => op === 'matmul' && difference > 0));
  });
}

const LAYER_1: readonly (readonly [op: OpName, call: number, out: string])[] = [
  ['rope', 3, 'blk.1.k_rope'],
  ['rmsNorm', 2, 'blk.1.attn_norm'],
  ['matmul', 7, 'blk.1.q'],
  ['attention', 1, 'blk.1.attention'],
  ['gatedSilu', 1, 'blk.1.ffn_gated'],
  ['add', 3, 'blk.1.ffn_residual'],
  ['embed', 0, 'embedding'],
  ['takeRows', 0, 'kept'],
];

for (const [op, call, out] of LAYER_1) {
  test(`a fault in ${out} alone is found there, though all that follows is wrong, too`, async () => {
    const device = faulty(op, call, PROMPT.length, (values) => {
      values[5] = values[5]! + 0.01 * values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    });
    const { first, ops } = await compareTiny(device);
    assert.deepEqual([first?.op, first?.out, first?.at], [op, out, 5]);
    assert.match(first?.step ?? '', /a prompt of 11 tokens/);
    assert.ok(Math.abs((first?.difference ?? 0) - 0.01) < 0.001, String(first?.difference));
    const apart = ops.filter(({ difference, tolerance }) => difference > tolerance);
    assert.deepEqual(
      apart.map((one) => one.out),
      [out],
    );
  });
}

test('a fault that only single tokens meet, and a result that is not a number, are found', async () => {
  const { first } = await compareTiny(faulty('matmul', 4, 1, (values) => values.fill(Number.NaN, 3, 4)));
  assert.deepEqual([first?.out, first?.step, first?.difference], ['blk.0.ffn_gate', 'one token after it', Infinity]);
});

test('weights that one device reads otherwise are found in the product that uses them', async () => {
  const weights = tinyWeights();
  const program = buildProgram(weights.head, { activations: 'q8' });
  const { readPlane } = weights;
  let reads = 0;
  weights.readPlane = async (name, plane, rows, target, options) => {
    await readPlane.call(weights, name, plane, rows, target, options);
    if (name === 'blk.1.ffn_up.weight' && reads++ === 0) target[3] = target[3]! ^ 1;
  };
  const device = createCpuBackend({ threads: 1 });
  const { first } = await compareDevices(program, weights, createReferenceBackend(), device, { prompt: PROMPT });
  assert.deepEqual([first?.op, first?.out], ['matmul', 'blk.1.ffn_up']);
  assert.equal((first?.at ?? 1) % 48, 0);
});

test('keys that a cache keeps wrong are found, and not blamed on attention', async () => {
  const device = createReferenceBackend();
  const spoiling: Backend = {
    ...device,
    async load(...given) {
      const executor = await device.load(...given);
      const readPage: Executor['readPage'] = async (page, tokens) => {
        const values = await executor.readPage!(page, tokens);
        values[0] = 100;
        return values;
      };
      return new Proxy(executor, {
        get(target, name) {
          const found: unknown = name === 'readPage' ? readPage : Reflect.get(target, name);
          return typeof found === 'function' ? found.bind(target) : found;
        },
      });
    },
  };
  const { first } = await compareTiny(spoiling);
  assert.deepEqual([first?.op, first?.out], ['cache', 'blk.0.k_rope']);
});

test('a device that computes otherwise when nothing is read back is found', async () => {
  const device = createReferenceBackend();
  const shortcut: Backend = {
    ...device,
    async load(...given) {
      const executor = await device.load(...given);
      const step: Executor['step'] = async (batch, options = {}) => {
        const result = await executor.step(batch, options);
        const { length = 0 } = options.readBack ?? [];
        if (length <= 3) result.values.get('logits')!.fill(1);
        return result;
      };
      return {
        ...executor,
        program: executor.program,
        device: 'reference',
        pageTokens: 64,
        pageCount: 2,
        step,
        copyPage: async () => {},
        dispose: () => executor.dispose(),
      };
    },
  };
  const { first } = await compareTiny(shortcut);
  assert.deepEqual([first?.op, first?.out], ['whole', 'logits']);
});

test('prompts that cannot be compared are refused', async () => {
  for (const prompt of [[], [-1], [1.5], [100_000], Array<number>(159).fill(1)]) {
    await assert.rejects(compareTiny(createReferenceBackend(), prompt), { code: 'bad-argument' });
  }
  assert.equal((await compareTiny(createReferenceBackend(), [3])).first, undefined);
  assert.equal((await compareTiny(createReferenceBackend(), Array<number>(158).fill(1))).first, undefined);
});

test('stretches cover every op once, and hold no more weights than allowed unless one op does, nor more inputs', () => {
  const { metadata, tensors } = madeHead({ shape: 'smollm-135m', type: 'Q8_0', seed: 1 });
  const program = buildProgram({ metadata, tensors: new Map(tensors.map((info) => [info.name, info])) });
  for (const most of [1, 1e6, 1e9]) {
    const stretches = [...stretchesOf(program, most)];
    assert.deepEqual(
      stretches.flatMap(([start, end]) => program.ops.slice(start, end)),
      program.ops,
    );
    for (const [start, end] of stretches) {
      const { weights, inputs } = isolateOps(program, start, end);
      assert.ok(inputs.length <= LIMITS.programInputs, `${inputs.length} inputs`);
      const count = weights.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
      assert.ok(count <= most || program.ops.slice(start, end).filter((op) => op.weights.length > 0).length === 1);
    }
  }
});

test('a difference counts what is not a number on one side only, and one wrong id', () => {
  const floats = (...values: number[]): Float32Array => Float32Array.from(values);
  assert.equal(differenceOf(floats(1, -2), floats(1, -1)).difference, 0.5);
  assert.equal(differenceOf(floats(0, 0), floats(0, 0)).difference, 0);
  assert.equal(differenceOf(floats(0), floats(1)).difference, Infinity);
  assert.equal(differenceOf(floats(1, Number.NaN), floats(1, Number.NaN)).difference, 0);
  assert.deepEqual(differenceOf(floats(1, 2, 3), floats(1, Number.NaN, 9)), {
    difference: Infinity,
    at: 1,
    expected: 2,
    found: Number.NaN,
  });
  assert.equal(differenceOf(floats(1), floats(1, 2)).difference, Infinity);
  assert.equal(differenceOf(Int32Array.of(70_000), Int32Array.of(70_001)).difference, Infinity);
});

goldenTest('cpu and reference agree in every op of every golden model', async () => {
  const names = goldenModels();
  assert.equal(names.length, 22);
  for (const [index, name] of names.entries()) {
    const weights = createGgufWeights(await openGgufFile(golden(`models/${name}.gguf`)));
    const program = buildProgram(weights.head, { activations: 'q8' });
    const prompt = Array.from({ length: 19 }, (_, token) => (1 + token * 7919) % program.vocab);
    const device = createCpuBackend({ threads: 1 + (index % 3) });
    const { first } = await compareDevices(program, weights, createReferenceBackend(), device, { prompt });
    await weights.dispose();
    assert.equal(first, undefined, `${name}: ${JSON.stringify(first)}`);
  }
});
