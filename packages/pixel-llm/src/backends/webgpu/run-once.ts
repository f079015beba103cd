/** One kernel, run once over arrays: what gpu-compute.ts and tests of kernels stand on. A model's steps keep their buffers instead. */
import { BUFFER_USAGE, type GpuDevice } from './gpu-device.ts';
import type { Kernel, KernelSizes } from './kernels/kernel.ts';

export type KernelInput = Float32Array | Int32Array | Uint32Array | Uint16Array | Uint8Array;

/**
 * Dispatches the kernel over the given inputs, by binding name, and returns of each binding named in `outputs` as many 32-bit words
 * as it says. `sizes` is bound as such, unless it is among the inputs. Throws `out-of-memory`, `device-lost`, `bad-program`.
 */
export async function runOnce(
  device: GpuDevice,
  kernel: Kernel,
  sizes: KernelSizes,
  inputs: Readonly<Record<string, KernelInput>>,
  outputs: Readonly<Record<string, number>>,
): Promise<Record<string, Float32Array>> {
  const buffers = new Map<string, GPUBuffer>();
  const staging = new Map<string, GPUBuffer>();
  const given: Record<string, KernelInput> = { sizes: Uint32Array.of(sizes.rows, sizes.context, 0, 0), ...inputs };
  try {
    for (const { name, kind } of kernel.bindings) {
      buffers.set(name, await filledBuffer(device, name, kind, given[name], outputs[name] ?? 0));
    }
    const { mapRead, copyTarget } = BUFFER_USAGE;
    for (const [name, words] of Object.entries(outputs)) {
      staging.set(name, await device.createBuffer(`${name} read back`, 4 * words, mapRead | copyTarget));
    }
    await submit(device, kernel, sizes, buffers, staging);
    const results: Record<string, Float32Array> = {};
    for (const [name, buffer] of staging) {
      results[name] = new Float32Array(await device.read(buffer, buffer.size)).slice(0, outputs[name]);
    }
    return results;
  } finally {
    for (const buffer of [...buffers.values(), ...staging.values()]) buffer.destroy();
  }
}

async function filledBuffer(
  device: GpuDevice,
  name: string,
  kind: Kernel['bindings'][number]['kind'],
  values: KernelInput | undefined,
  words: number,
): Promise<GPUBuffer> {
  const { storage, uniform, copySource, copyTarget } = BUFFER_USAGE;
  const bytes = padded(values ?? new Uint8Array());
  const usage = kind === 'uniform' ? uniform | copyTarget : storage | copyTarget | copySource;
  const buffer = await device.createBuffer(name, Math.max(bytes.length, 4 * words), usage);
  device.device.queue.writeBuffer(buffer, 0, bytes);
  return buffer;
}

async function submit(
  device: GpuDevice,
  kernel: Kernel,
  sizes: KernelSizes,
  buffers: ReadonlyMap<string, GPUBuffer>,
  staging: ReadonlyMap<string, GPUBuffer>,
): Promise<void> {
  const pipeline = await device.pipeline(kernel);
  const encoder = device.device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  const bindings = new Map([...buffers].map(([name, buffer]) => [name, { buffer }]));
  pass.setBindGroup(0, device.bindGroup(pipeline, kernel, bindings));
  pass.dispatchWorkgroups(...kernel.workgroups(sizes));
  pass.end();
  for (const [name, target] of staging) encoder.copyBufferToBuffer(buffers.get(name)!, 0, target, 0, target.size);
  device.device.queue.submit([encoder.finish()]);
}

function padded(values: ArrayBufferView<ArrayBufferLike>): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(Math.ceil(values.byteLength / 16) * 16);
  bytes.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  return bytes;
}
