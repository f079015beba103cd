/** The smallest model that is one, 8 -> 16 -> 8: trained to no error, through a picture, the same on every device; as its examples run it. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { selectBackend } from '../src/backends/select.ts';
import '../src/backends/wasm/node.ts';
import { loadCpuTraining } from '../src/backends/wasm/training/training-executor.ts';
import { testDevice, useDriver } from '../src/backends/webgpu/testing.ts';
import { isPixelError } from '../src/core/errors.ts';
import { buildProgram } from '../src/program/build-program.ts';
import { readRows } from '../src/pxi/read-rows.ts';
import { newToyMlp } from '../src/train/new-model.ts';
import { trainTokenizer } from '../src/train/tokenizer-training.ts';
import { trainOnSequences } from '../src/train/train-on-sequences.ts';

useDriver('swiftshader');
const folder = mkdtempSync(join(tmpdir(), 'pixel-llm-toy-'));
after(() => rmSync(folder, { recursive: true }));

/** Rows [tokens, 8] of the hidden layer's result, one after another. */
async function hiddenRows(device: 'reference' | 'cpu' | 'gpu', tokens: Int32Array): Promise<Float32Array> {
  const model = newToyMlp(await trainTokenizer([], { vocabulary: 257 }), { seed: 3 });
  const backend = await selectBackend(device, { threads: 1, gpuAdapter: 'swiftshader' });
  const executor = await backend.load(buildProgram(model.head), model, { pageCount: 0 });
  try {
    const entries = Int32Array.from(tokens.keys());
    const batch = { sequences: new Int32Array(tokens.length), positions: entries, pages: [[]], inputs: { tokens } };
    const { values } = await executor.step({ ...batch, outputEntries: entries }, { readBack: ['hidden'] });
    return values.get('hidden') as Float32Array;
  } finally {
    await executor.dispose();
  }
}

test('the devices differ by less than 1e-6 of the largest value', async (context) => {
  const tokens = Int32Array.from({ length: 64 }, (_, i) => 1 + 4 * i);
  const expected = await hiddenRows('reference', tokens);
  assert.equal(expected.length, 64 * 8);
  const largest = Math.max(...expected.map(Math.abs));
  const devices = (await testDevice(context)) ? (['cpu', 'gpu'] as const) : (['cpu'] as const);
  for (const device of devices) {
    const found = await hiddenRows(device, tokens);
    const difference = Math.max(...found.map((value, i) => Math.abs(value - expected[i]!))) / largest;
    assert.ok(difference < 1e-6, `${device}: ${difference}`);
  }
});

test('a toy that lacks a tensor, or says another width than it has, is refused', async () => {
  const { head } = newToyMlp(await trainTokenizer([], { vocabulary: 257 }));
  const tensors = new Map(head.tensors);
  tensors.delete('blk.0.ffn_down.weight');
  assert.throws(
    () => buildProgram({ ...head, tensors }),
    (error) => isPixelError(error, 'unknown-tensor'),
  );
  const metadata = new Map([...head.metadata, ['toy-mlp.feed_forward_length', { type: 'uint32', value: 12 }] as const]);
  assert.throws(
    () => buildProgram({ ...head, metadata }),
    (error) => isPixelError(error, 'bad-metadata'),
  );
});

for (const [name, right] of [
  ['toy-mlp', /^DEVICE: 0 of 256 bytes wrong; differs from the reference by \d\.\de-\d+ /m],
  ['toy-text', /^DEVICE: 12 of 12 phrases completed/m],
] as const) {
  test(`the example ${name} learns without error, and its picture computes the same on every device`, async (context) => {
    const device = await testDevice(context);
    const example = join(import.meta.dirname, `../../../examples/${name}.ts`);
    const { NODE_V8_COVERAGE: _, ...env } = process.env;
    const words = ['--out', join(folder, `${name}.pxi.png`), '--adapter', device?.name ?? 'none'];
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      ['--conditions=pixel-llm-source', example, ...words],
      { encoding: 'utf8', env },
    );
    assert.equal(status, 0, stderr);
    for (const place of device ? ['cpu', 'gpu'] : ['cpu'])
      assert.match(stdout, new RegExp(right.source.replace('DEVICE', place), 'm'));
  });
}

test('on a map it computes the same bits, an overlay teaches it another task, and dropping the overlay is undo', () => {
  const example = join(import.meta.dirname, '../../../examples/toy-mlp-map.ts');
  const { NODE_V8_COVERAGE: _, ...env } = process.env;
  const words = ['--conditions=pixel-llm-source', example, '--out', join(folder, 'toy-mlp-map.pxi.png')];
  const { status, stdout, stderr } = spawnSync(process.execPath, words, { encoding: 'utf8', env });
  assert.equal(status, 0, stdout + stderr);
  assert.match(stdout, /the same bits; 0 of 256 bytes wrong/);
  assert.match(stdout, /The overlay "inverted": [1-9]\d* bytes of \d of 5 tensors/);
  assert.match(stdout, /Through it, 0 of 256 bytes wrong of the new task/);
  assert.match(stdout, /Dropped: as it was/);
});

test('learning needs nobody who listens to it', async () => {
  const bytes = await trainTokenizer([], { vocabulary: 257 });
  const model = newToyMlp(bytes);
  const before = await readRows(model, 'token_embd.weight', { start: 0, end: 9 });
  const lessons = [{ tokens: [5, 6], learnFrom: 1 }];
  const weights = await trainOnSequences(model, lessons, { load: loadCpuTraining({ threads: 1 }), steps: 2 });
  assert.notDeepEqual(weights.get('token_embd.weight')!.subarray(0, before.length), before);
});
