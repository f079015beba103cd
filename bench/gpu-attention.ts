/**
 * Attention of a prompt on the GPU, several entries a workgroup, against one: `node bench/gpu-attention.ts [--adapter NAME] [--tokens 256]
 * [--rounds 5]`, for one layer of two shapes. First the check: the first entry sees only itself, so it gets its own values, and all get the same from both.
 */
import assert from 'node:assert/strict';
import { parseArgs } from 'node:util';
import { chooseAdapter } from '../packages/pixel-llm/src/backends/webgpu/adapters.ts';
import { runsOf } from '../packages/pixel-llm/src/backends/webgpu/entry-runs.ts';
import { GpuDevice } from '../packages/pixel-llm/src/backends/webgpu/gpu-device.ts';
import { attentionKernel } from '../packages/pixel-llm/src/backends/webgpu/kernels/attention.ts';
import type { KvLayout } from '../packages/pixel-llm/src/backends/webgpu/kernels/kv-layout.ts';
import { promptAttentionKernel } from '../packages/pixel-llm/src/backends/webgpu/kernels/prompt-attention.ts';
import '../packages/pixel-llm/src/backends/webgpu/node.ts';
import { floatToHalf, HALF_TO_FLOAT } from '../packages/pixel-llm/src/gguf/half.ts';
import { GpuBench } from './gpu-bench.ts';
import { interleave, printTable, type ResultRow, rounded, saveResults } from './harness.ts';

const { values: options } = parseArgs({
  options: {
    adapter: { type: 'string' },
    tokens: { type: 'string', default: '256' },
    rounds: { type: 'string', default: '5' },
  },
});
const TOKENS = Number(options.tokens);
const PAGE_TOKENS = 64;
const SHAPES = [
  { name: 'qwen2.5-7b', heads: 28, kvHeads: 4, headDim: 128 },
  { name: '8 heads of 64, each with keys of its own', heads: 8, kvHeads: 8, headDim: 64 },
];

const device = await GpuDevice.open(await chooseAdapter(options.adapter));
const bench = new GpuBench(device);
const results: ResultRow[] = [];
for (const shape of SHAPES) results.push(await measure(shape));
printTable(results);
console.log(await saveResults('gpu-attention', results));
device.destroy();

async function measure({ name, heads, kvHeads, headDim }: (typeof SHAPES)[number]): Promise<ResultRow> {
  const layout: KvLayout = { type: 'f16', kvHeads, headDim, pageTokens: PAGE_TOKENS };
  const spec = { heads, scale: headDim ** -0.5, layout };
  const shared = promptAttentionKernel(spec, device.traits);
  assert.ok(shared, 'the adapter has room for several entries a workgroup');
  const places = Math.ceil(TOKENS / PAGE_TOKENS) * PAGE_TOKENS;
  const cache = (factor: number): Uint16Array =>
    Uint16Array.from({ length: places * kvHeads * headDim }, (_, i) => floatToHalf(Math.sin(i * factor)));
  const values = cache(0.71);
  const inputs = {
    q: Float32Array.from({ length: TOKENS * heads * headDim }, (_, i) => Math.cos(i * 0.37)),
    keys: cache(0.53),
    values,
    entries: Uint32Array.from({ length: 4 * TOKENS }, (_, i) => (i % 4 === 0 ? i / 4 : 0)),
    pages: Uint32Array.from({ length: places / PAGE_TOKENS }, (_, i) => i),
    runs: runsOf({ sequences: new Int32Array(TOKENS) }),
  };
  const sizes = { rows: TOKENS, context: TOKENS, runs: inputs.runs.length / 2 };
  const alone = attentionKernel({ ...spec, isSplit: false }, device.traits);
  const outBytes = 4 * TOKENS * heads * headDim;
  const several = await bench.prepare(shared, sizes, inputs, outBytes);
  const one = await bench.prepare(alone, sizes, inputs, outBytes);
  const [found, other] = [await several.result(), await one.result()];
  for (let i = 0; i < heads * headDim; i++) {
    const head = Math.floor(i / headDim / (heads / kvHeads));
    assert.equal(found[i], HALF_TO_FLOAT[values[head * headDim + (i % headDim)]!]);
  }
  const difference = found.reduce((most, value, i) => Math.max(most, Math.abs(value - other[i]!)), 0);
  assert.ok(difference < 1e-5, `${difference}`);
  const seconds = await interleave({ several: several.run, one: one.run }, { rounds: Number(options.rounds) });
  several.dispose();
  one.dispose();
  // A multiplication and an addition for each dimension, of keys and of values, of the positions that are seen.
  const operations = 2 * 2 * heads * headDim * ((TOKENS * (TOKENS + 1)) / 2);
  return {
    what: `attention of ${TOKENS} tokens, ${name}, on ${device.name}: several entries a workgroup against one`,
    ratio: rounded(seconds.one / seconds.several),
    rates: {
      severalGFLOPs: rounded(operations / seconds.several / 1e9),
      oneGFLOPs: rounded(operations / seconds.one / 1e9),
    },
  };
}
