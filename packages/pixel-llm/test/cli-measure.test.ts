import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { testDevice, useDriver } from '../src/backends/webgpu/testing.ts';
import { createProgram } from '../src/cli/program.ts';
import { loadModel } from '../src/engine/node.ts';
import { runCommand } from './command-line.ts';
import { makeTinyModel, tinyGguf } from './tiny-model.ts';

useDriver('swiftshader');

const folder = mkdtempSync(join(tmpdir(), 'pixel-llm-measure-'));
const model = join(folder, 'tiny.gguf');
const broken = join(folder, 'broken.gguf');
before(() => {
  writeFileSync(model, tinyGguf());
  const { metadata, tensors } = makeTinyModel();
  // Weights that are no numbers.
  const data = new Uint8Array(tensors[0]?.data.length ?? 0).fill(0xff);
  writeFileSync(
    broken,
    tinyGguf({ metadata, tensors: tensors.map((tensor, i) => (i > 0 ? tensor : { ...tensor, data })) }),
  );
});
after(() => rmSync(folder, { recursive: true, force: true }));

/** Runs a command in this process. */
async function run(...typed: string[]): Promise<{ printed: string; noted: string }> {
  let printed = '';
  let noted = '';
  const program = createProgram({
    signal: new AbortController().signal,
    note: (line) => {
      noted += `${line}\n`;
    },
    print: async (text) => {
      printed += text;
    },
    withProgress: (work) =>
      work(
        () => {},
        () => {},
      ),
  });
  await program.parseAsync(typed, { from: 'user' });
  return { printed, noted };
}

describe('pixel-llm devices', () => {
  test('lists every device, fastest first, as text and as JSON; one is automatic', async () => {
    const { printed } = await run('devices');
    assert.match(printed, /^gpu .*\n( +.*\n)*cpu .*\nreference +usable/);
    const devices: { device: string; usable: boolean; automatic: boolean; description: string }[] = JSON.parse(
      (await run('devices', '--json')).printed,
    );
    assert.deepEqual(
      devices.map(({ device }) => device),
      ['gpu', 'cpu', 'reference'],
    );
    assert.ok(devices.every(({ description }) => description.length > 10));
    const automatic = devices.filter((device) => device.automatic);
    assert.ok(automatic.length === 1 && automatic[0]?.usable);
  });
});

describe('pixel-llm bench', () => {
  test('--json tells medians of all rounds, and bytes of weights a token', async () => {
    const sizes = ['--prompt-tokens', '20', '--generate-tokens', '6', '--rounds', '4'];
    const { printed, noted } = await run('bench', model, ...sizes, '--device', 'reference', '--json');
    const { prompt, generate, weightBytesPerToken, gigabytesPerSecond, device } = JSON.parse(printed);
    assert.equal(device, 'reference');
    for (const [timing, tokens] of [
      [prompt, 20],
      [generate, 6],
    ]) {
      assert.equal(timing.tokens, tokens);
      assert.equal(timing.seconds.length, 4);
      const sorted = timing.seconds.toSorted((a: number, b: number) => a - b);
      assert.equal(timing.medianSeconds, (sorted[1] + sorted[2]) / 2);
      assert.equal(timing.tokensPerSecond, tokens / timing.medianSeconds);
    }
    const { tensors } = makeTinyModel();
    const all = tensors.reduce((sum, { data }) => sum + data.length, 0);
    const table = tensors[0]?.data.length ?? 0;
    assert.equal(weightBytesPerToken, all - table + 32 * 4);
    assert.ok(Math.abs(gigabytesPerSecond - (weightBytesPerToken * generate.tokensPerSecond) / 1e9) < 1e-9);
    assert.match(noted, /round 4 of 4: read/);
    assert.match(
      (await run('bench', model, ...sizes)).printed,
      /reading {2}20 tokens, .*\nwriting {2}6 tokens, .*GB\/s/,
    );
  });

  test('on a GPU tells what a token should take there: its bytes, its dispatches, and what both cost at best', async (context) => {
    if (!(await testDevice(context))) return;
    const sizes = ['--prompt-tokens', '4', '--generate-tokens', '6', '--rounds', '1'];
    const on = ['--device', 'gpu', '--gpu-adapter', 'swiftshader'];
    const { gpu, weightBytesPerToken } = JSON.parse((await run('bench', model, ...sizes, ...on, '--json')).printed);
    // Two layers of two KV heads of 8 dimensions, keys and values in f16, four positions on average.
    assert.equal(gpu.bytesPerToken, weightBytesPerToken + 4 * (2 * 2 * 2 * 2 * 8));
    // At most 8 a layer, and what stands before and after the layers.
    assert.ok(gpu.dispatchesPerToken > 2 * 4 && gpu.dispatchesPerToken <= 2 * 8 + 8, `${gpu.dispatchesPerToken}`);
    assert.ok(gpu.readGigabytesPerSecond > 0 && gpu.dispatchMicroseconds > 0);
    assert.ok(Math.abs(gpu.shareOfRead - gpu.gigabytesPerSecond / gpu.readGigabytesPerSecond) < 1e-9);
    const bound =
      gpu.bytesPerToken / (0.75e9 * gpu.readGigabytesPerSecond) +
      gpu.dispatchesPerToken * gpu.dispatchMicroseconds * 1e-6;
    assert.ok(Math.abs(gpu.boundSeconds / bound - 1) < 1e-9);
    assert.match(
      (await run('bench', model, ...sizes, ...on)).printed,
      /a token {2}.* of plain reading\nbound {4}.* dispatches of .* us\n$/,
    );
  });

  test('times nothing that is not finite, and no context that the model does not have', async () => {
    await assert.rejects(run('bench', broken), { code: 'not-finite' });
    await assert.rejects(run('bench', model, '--prompt-tokens', '161'), { code: 'bad-argument' });
    await assert.rejects(run('bench', model, '--threads', '0'), /'0' is invalid/);
  });
});

describe('pixel-llm embed', () => {
  test('gives what the library gives, from an argument and from stdin, as numbers and as JSON', async () => {
    await using loaded = await loadModel(model);
    const expected = [...(await loaded.embed('the cat', { pooling: 'last' }))];
    const json = JSON.parse((await run('embed', model, 'the cat', '--pooling', 'last', '--json')).printed);
    assert.deepEqual(json, { pooling: 'last', dimensions: 32, embedding: expected });
    const { stdout } = await runCommand(['embed', model, '--pooling', 'last'], { input: 'the cat\n' });
    assert.deepEqual(stdout.trim().split(' ').map(Number), expected);
    await assert.rejects(run('embed', model, ''), { code: 'bad-argument' });
  });
});
