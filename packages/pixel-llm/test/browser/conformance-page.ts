/** Runs in the page (bundled by conformance-in-page.test.ts): the conformance table on the page's own backends. */

import type { Backend } from '../../src/backends/types.ts';
import { createCpuBackend } from '../../src/backends/wasm/backend.ts';
import { chooseAdapter } from '../../src/backends/webgpu/adapters.ts';
import { createGpuBackend } from '../../src/backends/webgpu/backend.ts';
import { GpuDevice } from '../../src/backends/webgpu/gpu-device.ts';
import { assetUrlsIn, installAssetUrls } from '../../src/core/asset-urls.ts';
import { conformanceCases } from '../conformance.ts';
import { relativeDifference } from '../conformance-case.ts';
import { withHalfCache } from '../conformance-rounded-cache.ts';

export interface Difference {
  readonly op: string;
  readonly title: string;
  readonly type: string;
  readonly difference: number;
}

export type Variant = 'relaxed' | 'plain' | 'threads' | 'swiftshader';

/** How far each case is from what its formula says. */
async function conformance(variant: Variant): Promise<Difference[]> {
  installAssetUrls(assetUrlsIn('bundle/'));
  const { backend, end } = await openBackend(variant);
  const found: Difference[] = [];
  // Each case is a model of its own, and so starts workers, or compiles kernels on a software adapter: a sample shows that these work in a
  // page; every case is computed in Node.
  const every = { relaxed: 1, plain: 1, threads: 8, swiftshader: 6 }[variant];
  const cases = conformanceCases().filter((_, index) => index % every === 0);
  for (const candidate of cases) {
    const { op, title, program } = candidate;
    const difference = await relativeDifference(backend, await withHalfCache(candidate));
    // JSON has no Infinity.
    found.push({ op, title, type: program.weights[0]?.type ?? '', difference: Math.min(difference, 1e9) });
  }
  end();
  return found;
}

async function openBackend(variant: Variant): Promise<{ backend: Backend; end: () => void }> {
  const end = (): void => undefined;
  if (variant === 'threads') return { backend: createCpuBackend({ threads: 2 }), end };
  if (variant !== 'swiftshader') return { backend: createCpuBackend({ build: variant, threads: 1 }), end };
  const device = await GpuDevice.open(await chooseAdapter(variant));
  return { backend: await createGpuBackend({ device }), end: () => device.destroy() };
}

Object.assign(globalThis, { conformance });
