import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isPixelError } from '../../core/errors.ts';
import { chooseAdapter, listAdapters } from './adapters.ts';
import { type GpuPlatform, gpuPlatform, installGpuPlatform } from './gpu-platform.ts';
import { gpuTest } from './testing.ts';

function adapterNamed(
  name: string,
  isFallbackAdapter: boolean,
): Awaited<ReturnType<GpuPlatform['findAdapters']>>[number] {
  const info = { vendor: '', architecture: '', device: '', description: '', isFallbackAdapter } as GPUAdapterInfo;
  return { name, gpu: {} as GPU, adapter: { info } as GPUAdapter };
}

async function withAdapters(
  found: readonly [name: string, isSoftware: boolean][],
  body: () => Promise<void>,
): Promise<void> {
  const installed = gpuPlatform();
  installGpuPlatform({
    findAdapters: async () => found.map(([name, isSoftware]) => adapterNamed(name, isSoftware)),
    mayHaveHardware: () => true,
  });
  try {
    await body();
  } finally {
    installGpuPlatform(installed);
  }
}

test('without a name the first real GPU is taken, never a software adapter', async () => {
  await withAdapters(
    [
      ['llvmpipe', true],
      ['Radeon', false],
      ['GeForce', false],
    ],
    async () => {
      assert.equal((await chooseAdapter()).name, 'Radeon');
    },
  );
  await withAdapters(
    [
      ['llvmpipe', true],
      ['Google SwiftShader', false],
    ],
    async () => {
      await assert.rejects(chooseAdapter(), (error) => {
        assert.ok(isPixelError(error, 'unknown-device'));
        return /There is no GPU here.*"llvmpipe" \(software\), "Google SwiftShader" \(software\)/.test(error.message);
      });
    },
  );
});

test('an adapter is found by any part of its name, and a wrong name lists those there are', async () => {
  await withAdapters(
    [
      ['Radeon RX', false],
      ['llvmpipe (LLVM 15)', true],
    ],
    async () => {
      assert.equal((await chooseAdapter('LLVMPIPE')).name, 'llvmpipe (LLVM 15)');
      await assert.rejects(
        chooseAdapter('arc'),
        /No GPU adapter has "arc" in its name. Adapters: "Radeon RX", "llvmpipe/,
      );
    },
  );
});

gpuTest('adapters are listed with type, features and limits', async () => {
  const [first] = await listAdapters();
  assert.ok(first && first.name !== '' && first.features.length > 0);
  assert.ok((first.limits.maxStorageBufferBindingSize ?? 0) >= 128 << 20);
});
