/** The examples that compute on a GPU: each is run as a person runs it, and what it says is checked. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { testDevice } from '../src/backends/webgpu/testing.ts';

const EXAMPLES = [
  { name: 'gpu-dot-product', parameters: [], says: /GPU \(sums in 32 bits\): -?\d/ },
  { name: 'gpu-matmul', parameters: ['4'], says: /two halves to a word: largest difference 0\n/ },
  { name: 'pixels-to-gpu', parameters: [], says: /plane qs: \d+ bytes, which begin at byte [1-9]\d* of the file/ },
] as const;

for (const { name, parameters, says } of EXAMPLES) {
  test(`the example ${name} computes on the GPU what the CPU computes`, async (context) => {
    const device = await testDevice(context);
    if (!device) return;
    const { status, stdout, stderr } = run(name, [...parameters, '--adapter', device.name]);
    assert.equal(status, 0, stderr);
    assert.match(stdout, says);
    assert.match(stdout, /the same, up to rounding/);
  });

  test(`the example ${name} says which adapters there are when it is asked for another`, async (context) => {
    if (!(await testDevice(context))) return;
    const { status, stderr } = run(name, ['--adapter', 'no such thing']);
    assert.equal(status, 1);
    assert.match(stderr, /No GPU adapter has "no such thing" in its name. Adapters: /);
  });
}

function run(name: string, parameters: readonly string[]) {
  const example = join(import.meta.dirname, `../../../examples/${name}.ts`);
  const { NODE_V8_COVERAGE: _, ...env } = process.env;
  return spawnSync(process.execPath, ['--conditions=pixel-llm-source', example, ...parameters], {
    encoding: 'utf8',
    env,
  });
}
