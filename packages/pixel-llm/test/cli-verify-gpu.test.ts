/** `pixel-llm verify --devices reference,gpu`, as a person runs it: op by op on a real adapter, for files and pictures, with activations of 32 and of 8 bits. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { testDevice, useDriver } from '../src/backends/webgpu/testing.ts';
import { runCommand } from './command-line.ts';
import { makeTinyModel, tinyGguf } from './tiny-model.ts';

useDriver('swiftshader');

const folder = mkdtempSync(join(tmpdir(), 'pixel-llm-verify-gpu-'));
const large = join(folder, 'large.gguf');
const integers = join(folder, 'integers.pxi.png');
before(async () => {
  const tiny = makeTinyModel();
  // Keys that f16 cannot hold: the devices' caches part.
  const tensors = tiny.tensors.map((tensor) => {
    if (tensor.info.name !== 'blk.1.attn_k.weight') return tensor;
    const values = Float32Array.from(new Float32Array(tensor.data.buffer), (value) => value * 1e6);
    return { ...tensor, data: new Uint8Array(values.buffer) };
  });
  writeFileSync(large, tinyGguf({ ...tiny, tensors }));
  const made = join(folder, 'integers.gguf');
  for (const words of [
    ['make-model', '--shape', 'toy', '--type', 'Q4_0', '--seed', '3', made],
    ['convert', made, integers],
  ]) {
    const { code, stderr } = await runCommand(words);
    assert.equal(code, 0, stderr);
  }
});
after(() => rmSync(folder, { recursive: true, force: true }));

const ON = ['--devices', 'reference,gpu', '--gpu-adapter', 'swiftshader', '--tokens', '1'];

test('a picture whose weights are integers agrees in every op, with activations of 8 bits', async (context) => {
  if (!(await testDevice(context))) return;
  const { code, stdout, stderr } = await runCommand(['verify', integers, ...ON, '--gpu-activations', 'q8']);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /73 results of "gpu" against "reference"/);
  assert.match(stdout, /^matmul +29 /m);
  assert.match(stdout, /The devices "reference" and "gpu" agree\.\n$/);
});

test('the first op that parts is named, and the exit code is 1', async (context) => {
  if (!(await testDevice(context))) return;
  const { code, stdout } = await runCommand(['verify', large, ...ON]);
  assert.equal(code, 1, stdout);
  assert.match(
    stdout,
    /"reference" and "gpu" part at op \d+ of \d+, (attention|cache) of layer 1, which writes "blk\.1\./,
  );
});
