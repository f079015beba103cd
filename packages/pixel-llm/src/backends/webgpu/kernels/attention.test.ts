/** Attention over a scattered cache, whole and split, against softmax in doubles. */
import assert from 'node:assert/strict';
import { type Random, seeded } from '../../../../test/conformance-weights.ts';
import { floatToHalf, HALF_TO_FLOAT } from '../../../gguf/half.ts';
import type { DeviceRestrictions, GpuDevice } from '../gpu-device.ts';
import { runOnce } from '../run-once.ts';
import { gpuTest } from '../testing.ts';
import { attentionKernel, partialBytes, splitCount } from './attention.ts';
import { attentionReduceKernel } from './attention-reduce.ts';
import { headStride, type KvLayout } from './kv-layout.ts';
import { randomFloats, relativeDifference } from './testing.ts';

const TOLERANCE = 1e-5;
const PAGE_TOKENS = 16;

interface Case {
  readonly title: string;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly type: KvLayout['type'];
  /** One sequence each; the entry is its last position. */
  readonly lengths: readonly number[];
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

for (const { title, restrictions, ...given } of CASES) {
  gpuTest(`attention: ${title}`, (device) => checkAttention(device, given), restrictions);
}

gpuTest('a context of many tiles is split into at most so many parts as are joined', async (device) => {
  assert.deepEqual([1, 64, 65, 4096, 4097, 100_000].map(splitCount), [1, 1, 2, 64, 33, 63]);
  await checkAttention(device, { heads: 1, kvHeads: 1, headDim: 4, type: 'f32', lengths: [4100, 3] });
});

async function checkAttention(device: GpuDevice, given: Omit<Case, 'title' | 'restrictions'>): Promise<void> {
  const { heads, kvHeads, headDim, type, lengths, window, softcap } = given;
  const random = seeded(heads * headDim);
  const layout: KvLayout = { type, kvHeads, headDim, pageTokens: PAGE_TOKENS };
  const cache = scatteredCache(layout, lengths, random);
  const q = randomFloats(lengths.length * heads * headDim, random);
  const attributes = { heads, scale: 0.3, ...(window ? { window } : {}), ...(softcap ? { softcap } : {}) };
  const expected = lengths.flatMap((length, entry) =>
    Array.from({ length: heads }, (_, head) => {
      const query = q.subarray((entry * heads + head) * headDim, (entry * heads + head + 1) * headDim);
      const kvHead = Math.floor((head * kvHeads) / heads);
      const first = window ? Math.max(0, length - window) : 0;
      return attend(query, cache.sequences[entry]!, kvHead * headDim, first, attributes);
    }).flat(),
  );
  const sizes = { rows: lengths.length, context: Math.max(...lengths) };
  const inputs = { q, keys: cache.keys, values: cache.values, entries: cache.entries, pages: cache.pages };
  const whole = attentionKernel({ ...attributes, layout, isSplit: false }, device.traits);
  const { out } = await runOnce(device, whole, sizes, inputs, { out: q.length });
  assert.ok(relativeDifference(out!, expected) < TOLERANCE, whole.label);
  const split = attentionKernel({ ...attributes, layout, isSplit: true }, device.traits);
  const words = partialBytes(heads, layout, lengths.length) / 4;
  const { partial } = await runOnce(device, split, sizes, inputs, { partial: words });
  const reduce = attentionReduceKernel(heads, layout, device.traits);
  const joined = await runOnce(device, reduce, sizes, { partial: partial! }, { out: q.length });
  assert.ok(relativeDifference(joined.out!, expected) < TOLERANCE, split.label);
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
    entries: Uint32Array.from(lengths.flatMap((length, i) => [length - 1, starts[i]!, 0, i])),
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
  first: number,
  { scale, softcap }: { scale: number; softcap?: number },
): number[] {
  const { keys, values, width } = sequence;
  const positions = Array.from({ length: keys.length / width - first }, (_, i) => (first + i) * width + column);
  const scores = positions.map((at) => {
    const score = query.reduce((sum, value, i) => sum + value * keys[at + i]!, 0) * scale;
    return softcap ? softcap * Math.tanh(score / softcap) : score;
  });
  const largest = Math.max(...scores);
  const weights = scores.map((score) => Math.exp(score - largest));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return Array.from(query, (_, i) => positions.reduce((sum, at, n) => sum + weights[n]! * values[at + i]!, 0) / total);
}
