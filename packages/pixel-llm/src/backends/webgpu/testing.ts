/** For tests on a GPU: which driver, a device that one file shares, and a kernel run once over arrays. */
import { existsSync, globSync } from 'node:fs';
import { after, type TestContext, test } from 'node:test';
import { chooseAdapter } from './adapters.ts';
import { BUFFER_USAGE, type DeviceRestrictions, GpuDevice } from './gpu-device.ts';
import type { Kernel, KernelSizes } from './kernels/kernel.ts';
import './node.ts';

/** Software drivers, and where their descriptions lie. */
const DRIVERS = {
  lavapipe: '/usr/share/vulkan/icd.d/lvp_icd*.json',
  swiftshader: '/usr/lib/chromium/vk_swiftshader_icd.json',
} as const;

const MISSING = 'there is no WebGPU adapter here (package "webgpu" and a Vulkan driver)';

/** A part of the adapter's name: any, software too, unless the environment or the test file chooses. */
let adapterName = process.env.PIXEL_GPU_ADAPTER ?? '';
let isDriverMissing = false;

/** The tests of this file run on that driver. Before anything else of the file: drivers are found once a process. */
export function useDriver(driver: keyof typeof DRIVERS): void {
  const [file] = globSync(DRIVERS[driver]);
  if (file !== undefined && existsSync(file)) process.env.VK_ICD_FILENAMES = file;
  else isDriverMissing = true;
  adapterName = driver === 'lavapipe' ? 'llvmpipe' : driver;
}

const opened = new Map<string, Promise<GpuDevice>>();

after(async () => {
  for (const device of opened.values()) (await device).destroy();
});

/** A device that the tests of this file share; undefined (said loudly) where there is none, and with REQUIRE_GPU=1 a failure. */
export async function testDevice(
  context: TestContext,
  restrictions: DeviceRestrictions = {},
): Promise<GpuDevice | undefined> {
  const key = JSON.stringify(restrictions);
  try {
    if (isDriverMissing) throw new Error(`the driver ${adapterName} is not installed`);
    const device = opened.get(key) ?? chooseAdapter(adapterName).then((found) => GpuDevice.open(found, restrictions));
    await device;
    opened.set(key, device);
    return await device;
  } catch (error) {
    if (process.env.REQUIRE_GPU === '1') throw error;
    context.skip(`NOT CHECKED: ${isDriverMissing ? `the driver ${adapterName} is not installed` : MISSING}`);
    return undefined;
  }
}

/** A test that needs a GPU adapter of any kind: skipped, and counted as skipped, where there is none. */
export function gpuTest(
  title: string,
  body: (device: GpuDevice) => Promise<void>,
  restrictions: DeviceRestrictions = {},
): void {
  void test(title, async (context) => {
    const device = await testDevice(context, restrictions);
    if (device) await body(device);
  });
}

/**
 * Dispatches the kernel over the given inputs, by binding name, and returns what it wrote: for each `write` binding, in order, as many
 * 32-bit words as `outputs` says.
 */
export async function runKernel(
  device: GpuDevice,
  kernel: Kernel,
  sizes: KernelSizes,
  inputs: Readonly<Record<string, Float32Array | Int32Array | Uint32Array | Uint8Array>>,
  outputs: Readonly<Record<string, number>>,
): Promise<Record<string, Float32Array>> {
  const { storage, uniform, copySource, copyTarget, mapRead } = BUFFER_USAGE;
  const buffers = new Map<string, GPUBuffer>();
  const given = { sizes: Uint32Array.of(sizes.rows, sizes.context, 0, 0), ...inputs };
  for (const { name, kind } of kernel.bindings) {
    const bytes = padded(given[name as keyof typeof given] ?? new Uint8Array());
    const size = Math.max(bytes.length, 4 * (outputs[name] ?? 0));
    const usage = kind === 'uniform' ? uniform | copyTarget : storage | copyTarget | copySource;
    const buffer = await device.createBuffer(name, size, usage);
    device.device.queue.writeBuffer(buffer, 0, bytes);
    buffers.set(name, buffer);
  }
  const pipeline = await device.pipeline(kernel);
  const encoder = device.device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  pass.setBindGroup(
    0,
    device.bindGroup(pipeline, kernel, new Map([...buffers].map(([name, buffer]) => [name, { buffer }]))),
  );
  pass.dispatchWorkgroups(...kernel.workgroups(sizes));
  pass.end();
  const staging = new Map<string, GPUBuffer>();
  for (const [name, words] of Object.entries(outputs)) {
    const target = await device.createBuffer(`${name} read back`, 4 * words, mapRead | copyTarget);
    encoder.copyBufferToBuffer(buffers.get(name)!, 0, target, 0, 4 * words);
    staging.set(name, target);
  }
  device.device.queue.submit([encoder.finish()]);
  const results: Record<string, Float32Array> = {};
  for (const [name, buffer] of staging)
    results[name] = new Float32Array(await device.read(buffer, buffer.size)).slice(0, outputs[name]);
  for (const buffer of [...buffers.values(), ...staging.values()]) buffer.destroy();
  return results;
}

function padded(values: ArrayBufferView<ArrayBufferLike>): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(Math.ceil(values.byteLength / 16) * 16);
  bytes.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  return bytes;
}
