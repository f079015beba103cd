/** Attention over a scattered cache, whole, split, and of prompts, against softmax in doubles. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Random, seeded } from '../../../../test/conformance-weights.ts';
import { floatToHalf, HALF_TO_FLOAT } from '../../../gguf/half.ts';
import { runsOf } from '../entry-runs.ts';
import type { DeviceRestrictions, GpuDevice } from '../gpu-device.ts';
import { type KernelInput, runOnce } from '../run-once.ts';
import { gpuTest, useDriver } from '../testing.ts';
import { attentionKernel, partialBytes, splitCount } from './attention.ts';
import { attentionReduceKernel } from './attention-reduce.ts';
import type { DeviceTraits, Kernel, KernelSizes } from './kernel.ts';
import { headStride, type KvLayout } from './kv-layout.ts';
import { promptAttentionKernel } from './prompt-attention.ts';
import { randomFloats, relativeDifference } from './testing.ts';

// lavapipe compiles attention for a quarter of a minute up to a whole one; gpu-conformance-lavapipe.test.ts has it compile two.
useDriver('swiftshader');

const TOLERANCE = 1e-5;
const PAGE_TOKENS = 16;

interface Case {
  readonly title: string;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly type: KvLayout['type'];
  /** One sequence each. */
  readonly lengths: readonly number[];
  /** Of each sequence, how many of its last positions are entries. Default: one. */
  readonly asked?: readonly number[];
  readonly window?: number;
  readonly softcap?: number;
  readonly restrictions?: DeviceRestrictions;
}

const CASES: readonly Case[] = [
  { title: 'four heads of their own', heads: 4, kvHeads: 4, headDim: 8, type: 'f32', lengths: [1, 64, 65] },
  { title: 'seven heads that share keys, in f16', heads: 7, kvHeads: 1, headDim: 64, type: 'f16', lengths: [130] },
  {
    title: 'a window and a soft cap',
    heads: 6,
    kvHeads: 2,
    headDim: 33,
    type: 'f16',
    window: 40,
    softcap: 2,
    lengths: [7, 200],
  },
  {
    title: 'more heads a group, and wider ones, than a workgroup takes',
    heads: 9,
    kvHeads: 1,
    headDim: 257,
    type: 'f32',
    lengths: [70],
    restrictions: { leastLimits: true, subgroups: false },
  },
];

/** Workgroups of 2 to 32 entries, in f16 and f32; runs that end within one, of one entry, and of more than a run may have. */
const PROMPTS: readonly Case[] = [
  { title: 'heads of their own', heads: 2, kvHeads: 2, headDim: 8, type: 'f32', lengths: [70, 3], asked: [70, 2] },
  {
    title: 'three heads that share keys, a window and a soft cap',
    ...{ heads: 3, kvHeads: 1, headDim: 33, type: 'f16', window: 20, softcap: 2, lengths: [9, 140], asked: [1, 37] },
  },
  {
    title: 'seven heads that share keys, on a weak device',
    ...{ heads: 7, kvHeads: 1, headDim: 64, type: 'f16', lengths: [66, 40], asked: [6, 5] },
    restrictions: { leastLimits: true, subgroups: false },
  },
  {
    title: 'more heads a group than a workgroup takes',
    ...{ heads: 9, kvHeads: 1, headDim: 4, type: 'f32', lengths: [80], asked: [9] },
  },
];

for (const { title, restrictions, ...given } of CASES) {
  gpuTest(`attention: ${title}`, (device) => checkAttention(device, given), restrictions);
}

for (const { title, restrictions, ...given } of PROMPTS) {
  gpuTest(`attention of prompts: ${title}`, (device) => checkPrompts(device, given), restrictions);
}

gpuTest('a context of many tiles is split into at most so many parts as are joined', async (device) => {
  assert.deepEqual([1, 64, 65, 4096, 4097, 100_000].map(splitCount), [1, 1, 2, 64, 33, 63]);
  await checkAttention(device, { heads: 1, kvHeads: 1, headDim: 4, type: 'f32', lengths: [4100, 3] });
});

test('a device whose workgroups have no room for several queries is told by no kernel', () => {
  const traits = { maxInvocations: 256, maxSharedBytes: 16_384 } as DeviceTraits;
  const layout: KvLayout = { type: 'f32', kvHeads: 1, headDim: 512, pageTokens: PAGE_TOKENS };
  assert.equal(promptAttentionKernel({ heads: 8, scale: 1, layout }, traits), undefined);
});

type Given = Omit<Case, 'title' | 'restrictions'>;

async function checkAttention(device: GpuDevice, given: Given): Promise<void> {
  const { spec, sizes, inputs, expected } = prepared(given);
  const { layout, heads } = spec;
  const whole = attentionKernel({ ...spec, isSplit: false }, device.traits);
  await checkWhole(device, whole, sizes, inputs, expected);
  const split = attentionKernel({ ...spec, isSplit: true }, device.traits);
  const words = partialBytes(heads, layout, sizes.rows) / 4;
  const { partial } = await runOnce(device, split, sizes, inputs, { partial: words });
  const reduce = attentionReduceKernel(heads, layout, device.traits);
  await checkWhole(device, reduce, sizes, { partial: partial! }, expected);
}

async function checkPrompts(device: GpuDevice, given: Given): Promise<void> {
  const { spec, sizes, inputs, expected } = prepared(given);
  const kernel = promptAttentionKernel(spec, device.traits);
  assert.ok(kernel);
  await checkWhole(device, kernel, sizes, inputs, expected);
}

async function checkWhole(
  device: GpuDevice,
  kernel: Kernel,
  sizes: KernelSizes,
  inputs: Readonly<Record<string, KernelInput>>,
  expected: readonly number[],
): Promise<void> {
  const { out } = await runOnce(device, kernel, sizes, inputs, { out: expected.length });
  assert.ok(relativeDifference(out!, expected) < TOLERANCE, kernel.label);
}

/** Random queries, keys and values, and what they give. */
function prepared({ heads, kvHeads, headDim, type, lengths, asked = [], window, softcap }: Given) {
  const random = seeded(heads * headDim);
  const layout: KvLayout = { type, kvHeads, headDim, pageTokens: PAGE_TOKENS };
  const cache = scatteredCache(layout, lengths, random);
  const entries = lengths.flatMap((length, sequence) => {
    const count = asked[sequence] ?? 1;
    return Array.from({ length: count }, (_, i) => ({ sequence, position: length - count + i }));
  });
  const q = randomFloats(entries.length * heads * headDim, random);
  const attributes = { heads, scale: 0.3, ...(window ? { window } : {}), ...(softcap ? { softcap } : {}) };
  const expected = entries.flatMap(({ sequence, position }, entry) =>
    Array.from({ length: heads }, (_, head) => {
      const query = q.subarray((entry * heads + head) * headDim, (entry * heads + head + 1) * headDim);
      const kvHead = Math.floor((head * kvHeads) / heads);
      const seen = [window ? Math.max(0, position + 1 - window) : 0, position + 1] as const;
      return attend(query, cache.sequences[sequence]!, kvHead * headDim, seen, attributes);
    }).flat(),
  );
  const runs = runsOf({ sequences: Int32Array.from(entries, ({ sequence }) => sequence) });
  const words = entries.flatMap(({ sequence, position }) => [position, cache.starts[sequence]!, 0, sequence]);
  return {
    spec: { ...attributes, layout },
    sizes: { rows: entries.length, context: Math.max(...lengths), runs: runs.length / 2 },
    inputs: { q, keys: cache.keys, values: cache.values, entries: Uint32Array.from(words), pages: cache.pages, runs },
    expected,
  };
}

interface Sequence {
  /** [positions, kvHeads x headDim], as the cache holds them. */
  readonly keys: Float32Array;
  readonly values: Float32Array;
  readonly width: number;
}

/** Sequences whose pages alternate, from the last page down. */
function scatteredCache(layout: KvLayout, lengths: readonly number[], random: Random) {
  const pageLists: number[][] = lengths.map(() => []);
  const counts = lengths.map((length) => Math.ceil(length / PAGE_TOKENS));
  const pageCount = counts.reduce((sum, count) => sum + count, 0);
  let free = pageCount;
  while (free > 0) for (const [i, own] of pageLists.entries()) if (own.length < counts[i]!) own.push(--free);
  const width = layout.kvHeads * layout.headDim;
  const sequences: Sequence[] = lengths.map((length) => ({
    keys: stored(randomFloats(length * width, random), layout),
    values: stored(randomFloats(length * width, random), layout),
    width,
  }));
  const starts = counts.map((_, i) => counts.slice(0, i).reduce((sum, count) => sum + count, 0));
  return {
    sequences,
    keys: packed(
      layout,
      pageCount,
      pageLists,
      sequences.map(({ keys }) => keys),
    ),
    values: packed(
      layout,
      pageCount,
      pageLists,
      sequences.map(({ values }) => values),
    ),
    starts,
    pages: Uint32Array.from(pageLists.flat()),
  };
}

function stored(values: Float32Array, { type }: KvLayout): Float32Array {
  return type === 'f32' ? values : values.map((value) => HALF_TO_FLOAT[floatToHalf(value)]!);
}

function packed(
  layout: KvLayout,
  pageCount: number,
  pageLists: readonly number[][],
  sequences: readonly Float32Array[],
): Uint8Array {
  const { kvHeads, headDim, type } = layout;
  const stride = headStride(layout);
  const elements = new Float32Array(pageCount * PAGE_TOKENS * kvHeads * stride);
  for (const [i, values] of sequences.entries()) {
    for (let at = 0; at < values.length; at++) {
      const [position, head, d] = [
        Math.floor(at / (kvHeads * headDim)),
        Math.floor(at / headDim) % kvHeads,
        at % headDim,
      ];
      const place = pageLists[i]![Math.floor(position / PAGE_TOKENS)]! * PAGE_TOKENS + (position % PAGE_TOKENS);
      elements[(place * kvHeads + head) * stride + d] = values[at]!;
    }
  }
  if (type === 'f32') return new Uint8Array(elements.buffer);
  return new Uint8Array(Uint16Array.from(elements, floatToHalf).buffer);
}

function attend(
  query: Float32Array,
  sequence: Sequence,
  column: number,
  [first, end]: readonly [first: number, end: number],
  { scale, softcap }: { scale: number; softcap?: number },
): number[] {
  const { keys, values, width } = sequence;
  const positions = Array.from({ length: end - first }, (_, i) => (first + i) * width + column);
  const scores = positions.map((at) => {
    const score = query.reduce((sum, value, i) => sum + value * keys[at + i]!, 0) * scale;
    return softcap ? softcap * Math.tanh(score / softcap) : score;
  });
  const largest = Math.max(...scores);
  const weights = scores.map((score) => Math.exp(score - largest));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return Array.from(query, (_, i) => positions.reduce((sum, at, n) => sum + weights[n]! * values[at + i]!, 0) / total);
}
