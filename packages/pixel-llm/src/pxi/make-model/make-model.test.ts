import assert from 'node:assert/strict';
import { test } from 'node:test';
import { madeBytes } from '../../../test/render-source.ts';
import type { ByteSink } from '../../core/byte-sink.ts';
import { MemoryByteSource } from '../../core/byte-source.ts';
import { isPixelError } from '../../core/errors.ts';
import { canDequantize, dequantize } from '../../gguf/dequantize.ts';
import { columnsOf } from '../../gguf/head.ts';
import { readGgufHead } from '../../gguf/reader.ts';
import { TENSOR_TYPES, tensorTypeByName } from '../../gguf/tensor-types.ts';
import { openWeights } from '../open-weights.ts';
import { readRows } from '../read-rows.ts';
import { MADE_TYPES, makeModel } from './make-model.ts';
import { randomRows, tensorSeed } from './make-model-weights.ts';

function typeNamed(name: string) {
  const type = tensorTypeByName(name);
  assert.ok(type);
  return type;
}

/** Root of the mean square and the mean of one tensor's rows. */
function statistics(values: Float32Array): { rms: number; mean: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return { mean, rms: Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length) };
}

test('the same seed gives the same bytes, another seed other weights under the same head', async () => {
  const first = await madeBytes({ shape: 'toy', type: 'Q4_0', seed: 1 });
  assert.deepEqual(await madeBytes({ shape: 'toy', type: 'Q4_0', seed: 1 }), first);
  const second = await madeBytes({ shape: 'toy', type: 'Q4_0', seed: 2 });
  assert.equal(second.length, first.length);
  const head = await readGgufHead(new MemoryByteSource(first));
  for (const tensor of head.tensors.values()) {
    const bytes = (file: Uint8Array) => file.subarray(tensor.offset, tensor.offset + tensor.byteLength);
    assert.notDeepEqual(bytes(second), bytes(first), tensor.name);
  }
});

test('every type can be read back, at the scale of its columns, balanced, with norms near 1', async () => {
  for (const type of MADE_TYPES) {
    const source = await openWeights(new MemoryByteSource(await madeBytes({ shape: 'toy', type, seed: 5 })));
    for (const tensor of source.head.tensors.values()) {
      const rows = tensor.dimensions[1] ?? 1;
      const { rms, mean } = statistics(await readRows(source, tensor.name, { start: 0, end: rows }));
      if (rows === 1) assert.ok(Math.abs(mean - 1) < 0.05 && Math.abs(rms - 1) < 0.05, tensor.name);
      else {
        const scale = rms * Math.sqrt(columnsOf(tensor));
        assert.ok(scale > 0.85 && scale < 1.25, `${type} ${tensor.name}: ${scale}`);
        assert.ok(Math.abs(mean) < rms / 20, `${type} ${tensor.name} leans by ${mean}`);
      }
    }
  }
});

test('blocks of every kind are Gaussian: the mean of |w| is what that of a normal distribution is', () => {
  for (const name of ['F32', 'F16', 'BF16', 'Q8_0', 'Q4_0', 'Q5_0', 'Q4_K', 'Q6_K']) {
    const type = typeNamed(name);
    assert.ok(canDequantize(type));
    // One strength for all columns and one row, so that nothing but the noise is left.
    const seed = { ...tensorSeed(9, 'w', 65_536), columnLevels: new Uint8Array(65_536) };
    const values = new Float32Array(65_536);
    dequantize(type, randomRows(type, seed, { mean: 0, deviation: 1 }, 0, 1), values);
    const { rms } = statistics(values);
    const meanSize = values.reduce((sum, value) => sum + Math.abs(value), 0) / values.length;
    assert.ok(Math.abs(meanSize / rms - Math.sqrt(2 / Math.PI)) < 0.03, `${name}: ${meanSize / rms}`);
    const next =
      values.subarray(1).reduce((sum, value, i) => sum + value * (values[i] ?? 0), 0) / (values.length * rms ** 2);
    assert.ok(Math.abs(next) < 0.02, `${name}: neighbours are alike by ${next}`);
  }
});

test('every column has its own strength in every type: blocks put each weight where its column is', () => {
  for (const name of ['F32', 'F16', 'BF16', 'Q8_0', 'Q4_0', 'Q5_0', 'Q4_K', 'Q6_K']) {
    const type = typeNamed(name);
    const columnLevels = Uint8Array.from({ length: 256 }, (_, column) => (Math.imul(column, 0x9e3779b1) >>> 31) * 3);
    const values = new Float32Array(256 * 400);
    dequantize(type, randomRows(type, { key: 7, columnLevels }, { mean: 0, deviation: 1 }, 0, 400), values);
    for (let column = 0; column < 256; column++) {
      const { rms } = statistics(values.filter((_, i) => i % 256 === column));
      // Strengths 1 and 0.32 of 2.5 deviations, where an ordinary column has 1.
      assert.equal(rms > 1.5, columnLevels[column] === 0, `${name}, column ${column}: ${rms}`);
    }
  }
});

test('rows are the same whichever piece they are made in', () => {
  const type = typeNamed('Q4_K');
  const seed = tensorSeed(3, 'blk.0.ffn_up.weight', 512);
  const spread = { mean: 0, deviation: 0.1 };
  const whole = randomRows(type, seed, spread, 0, 40);
  const rowBytes = whole.length / 40;
  assert.deepEqual(randomRows(type, seed, spread, 17, 5), whole.slice(17 * rowBytes, 22 * rowBytes));
});

test('tensors of one model share no rows', () => {
  const type = typeNamed('Q8_0');
  const rows = ['a', 'b', 'blk.0.attn_q.weight', 'blk.1.attn_q.weight'].flatMap((name) => {
    const bytes = randomRows(type, tensorSeed(0, name, 256), { mean: 0, deviation: 1 }, 0, 64);
    return Array.from({ length: 64 }, (_, row) => bytes.subarray(row * 272, (row + 1) * 272).join());
  });
  assert.equal(new Set(rows).size, rows.length);
});

test('a type that is not made is refused by name', () => {
  const unmade = TENSOR_TYPES.find(({ name }) => name === 'Q2_K');
  assert.ok(unmade);
  assert.throws(
    () => randomRows(unmade, tensorSeed(0, 'w', 256), { mean: 0, deviation: 1 }, 0, 1),
    (error) => isPixelError(error, 'unsupported-type') && /Q2_K/.test(error.message),
  );
});

test('an abort leaves no file behind', async () => {
  const calls: string[] = [];
  const sink: ByteSink = {
    name: 'sink',
    write: async () => void calls.push('write'),
    writeAt: async () => void calls.push('writeAt'),
    commit: async () => void calls.push('commit'),
    abort: async () => void calls.push('abort'),
  };
  const work = makeModel({ shape: 'toy', type: 'F32', seed: 0 }, sink, { signal: AbortSignal.abort() });
  await assert.rejects(work, (error) => isPixelError(error, 'aborted'));
  assert.equal(calls.at(-1), 'abort');
  assert.ok(!calls.includes('commit'));
});

test('progress goes up to the size of the file', async () => {
  const seen: number[] = [];
  let total = 0;
  const onProgress = (progress: { done: number; total?: number }) => {
    seen.push(progress.done);
    total = progress.total ?? 0;
  };
  const sink: ByteSink = {
    name: 'sink',
    write: async () => {},
    writeAt: async () => {},
    commit: async () => {},
    abort: async () => {},
  };
  await makeModel({ shape: 'toy', type: 'F32', seed: 0 }, sink, { onProgress });
  assert.deepEqual(
    seen,
    seen.toSorted((a, b) => a - b),
  );
  assert.ok(Math.abs((seen.at(-1) ?? 0) - total) < 32);
});
