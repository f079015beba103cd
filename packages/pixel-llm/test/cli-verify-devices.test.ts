import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { runCommand } from './command-line.ts';
import { makeTinyModel, tinyGguf } from './tiny-model.ts';

const folder = mkdtempSync(join(tmpdir(), 'pixel-llm-verify-devices-'));
const model = join(folder, 'tiny.gguf');
const large = join(folder, 'large.gguf');
before(() => {
  writeFileSync(model, tinyGguf());
  const tiny = makeTinyModel();
  // Keys that f16 cannot hold: the devices' caches part.
  const tensors = tiny.tensors.map((tensor) => {
    if (tensor.info.name !== 'blk.1.attn_k.weight') return tensor;
    const values = Float32Array.from(new Float32Array(tensor.data.buffer), (value) => value * 1e6);
    return { ...tensor, data: new Uint8Array(values.buffer) };
  });
  writeFileSync(large, tinyGguf({ ...tiny, tensors }));
});
after(() => rmSync(folder, { recursive: true, force: true }));

describe('pixel-llm verify --devices', { concurrency: 2 }, () => {
  test('names no divergence where there is none, with a table by kind of op', async () => {
    const { code, stdout, stderr } = await runCommand([
      'verify',
      model,
      '--devices',
      'reference,cpu',
      '--threads',
      '2',
    ]);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /"cpu" against "reference", over a prompt of 20 tokens, one token after it, two sequences/);
    for (const op of ['embed', 'rmsNorm', 'matmul', 'rope', 'attention', 'gatedSilu', 'add', 'takeRows', 'sample']) {
      assert.match(stdout, new RegExp(`^${op} +\\d+ +[\\d.e-]+ +[\\d.e-]+ +\\S`, 'm'));
    }
    assert.match(stdout, /The devices "reference" and "cpu" agree\.\n$/);
  });

  test('exits with 1 and names the first op, its layer, sizes and place where the devices part', async () => {
    const { code, stdout } = await runCommand(['verify', large, '--devices', 'reference,cpu', '--prompt', 'the cat']);
    assert.equal(code, 1, stdout);
    assert.match(
      stdout,
      /"reference" and "cpu" part at op \d+ of \d+, (attention|cache) of layer 1, which writes "blk\.1\./,
    );
    assert.match(stdout, /reads: {3}blk\.1\.q_rope \[tokens, 32\], blk\.1\.k_rope \[tokens, 16\]/);
    assert.match(stdout, /largest: at row \d+, column \d+ of \[\d+, \d+\]: \S+ expected, \S+ found/);
  });

  test('--json tells every op', async () => {
    const { code, stdout } = await runCommand([
      'verify',
      model,
      '--devices',
      'reference,cpu',
      '--tokens',
      '3',
      '--json',
    ]);
    assert.equal(code, 0);
    const { agree, comparisons } = JSON.parse(stdout);
    assert.ok(agree);
    assert.equal(comparisons.length, 1);
    assert.deepEqual([comparisons[0].yardstick, comparisons[0].device], ['reference', 'cpu']);
    assert.equal(comparisons[0].ops.filter(({ op }: { op: string }) => op === 'matmul').length, 15);
  });

  test('refuses devices that cannot be compared', async () => {
    for (const [devices, says] of [
      ['cpu', /takes two devices or more/],
      ['cpu,cpu', /takes two devices or more/],
      ['cpu,abacus', /There is no device "abacus" here/],
    ] as const) {
      const { code, stderr } = await runCommand(['verify', model, '--devices', devices]);
      assert.equal(code, 2);
      assert.match(stderr, says);
    }
  });
});
