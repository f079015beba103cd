/**
 * The text of kernels, kept as files to be read: a change of a generator shows what it changes. Renewed with
 * `node --test --test-update-snapshots --conditions=pixel-llm-source packages/pixel-llm/src/backends/webgpu/kernels/kernel-texts.test.ts`.
 */
import { join } from 'node:path';
import { test } from 'node:test';
import { attentionKernel } from './attention.ts';
import { attentionReduceKernel } from './attention-reduce.ts';
import { dotProductKernel } from './dot-product.ts';
import { embedKernel } from './embed.ts';
import type { DeviceTraits, Kernel } from './kernel.ts';
import type { KvLayout } from './kv-layout.ts';
import { matVecKernel } from './mat-vec.ts';
import { matrixProductKernel } from './matrix-product.ts';
import { promptAttentionKernel } from './prompt-attention.ts';
import { tiledProductKernel } from './tiled-product.ts';

const LARGE: DeviceTraits = {
  f16: true,
  subgroups: { least: 32, most: 32 },
  packedDot: true,
  maxInvocations: 1024,
  maxSharedBytes: 49_152,
  maxWorkgroups: 65_535,
  maxStorageBuffers: 16,
  maxBindingBytes: 2 ** 31,
};
const SMALL: DeviceTraits = {
  ...LARGE,
  f16: false,
  subgroups: undefined,
  maxInvocations: 256,
  maxSharedBytes: 16_384,
  maxStorageBuffers: 8,
};

const LAYOUT: KvLayout = { type: 'f16', kvHeads: 4, headDim: 128, pageTokens: 64 };
const projection = { matrices: [{ name: 'matrix', type: 'Q4_K', rows: 4608 }], columns: 3584 };
const gates = { matrices: [{ name: 'matrix', type: 'Q4_0', rows: 37_888 }], columns: 3584 };

const KERNELS: Readonly<Record<string, () => Kernel>> = {
  'dot-product': () => dotProductKernel(LARGE),
  'dot-product-small-device': () => dotProductKernel(SMALL),
  'matrix-product-f16': () => matrixProductKernel('f16', { rows: 512, columns: 512, inner: 512 }, LARGE),
  'mat-vec-q4_k-norm-bias': () =>
    matVecKernel({ ...projection, tokens: 1, norm: { epsilon: 1e-6 }, bias: true }, LARGE),
  'mat-vec-q4_0-gated-two-tokens': () => matVecKernel({ ...gates, tokens: 2, gate: 'gatedSilu' }, SMALL),
  'tiled-product-q6_k': () => tiledProductKernel({ type: 'Q6_K', rows: 3584, columns: 18_944, residual: true }, LARGE),
  'embed-iq4_xs': () => embedKernel({ type: 'IQ4_XS', width: 4096, firstRow: 0, rows: 32_000 }, LARGE),
  'attention-f16-split': () => attentionKernel({ heads: 28, scale: 0.125, layout: LAYOUT, isSplit: true }, LARGE),
  'attention-of-prompts': () => promptAttentionKernel({ heads: 28, scale: 0.125, layout: LAYOUT }, LARGE)!,
  'attention-reduce': () => attentionReduceKernel(28, LAYOUT, LARGE),
};

for (const [name, make] of Object.entries(KERNELS)) {
  test(`the text of ${name} is the one that was looked at`, (context) => {
    const path = join(import.meta.dirname, 'texts', `${name}.wgsl`);
    context.assert.fileSnapshot(make().code, path, { serializers: [(text: string) => text] });
  });
}
