/** The devices that a test's GPU hands out: to destroy one, to count what is asked of it, or to put something else in front. */
import type { TestContext } from 'node:test';
import { type GpuPlatform, gpuPlatform, installGpuPlatform } from '../src/backends/webgpu/gpu-platform.ts';

/** Every device that is handed out from here on, the last one last. */
export function watchDevices(
  context: TestContext,
  change: (platform: GpuPlatform) => GpuPlatform = (same) => same,
): GPUDevice[] {
  const devices: GPUDevice[] = [];
  const real = gpuPlatform();
  const watching: GpuPlatform = {
    mayHaveHardware: () => real.mayHaveHardware(),
    async findAdapters() {
      const found = await real.findAdapters();
      for (const { adapter } of found) {
        const request = adapter.requestDevice.bind(adapter);
        adapter.requestDevice = async (descriptor) => {
          const device = await request(descriptor);
          devices.push(device);
          return device;
        };
      }
      return found;
    },
  };
  installGpuPlatform(change(watching));
  context.after(() => installGpuPlatform(real));
  return devices;
}
