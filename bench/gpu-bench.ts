/** For benchmarks of kernels: operands that stay on the device, and a dispatch of them, timed from its submit to its end. */
import { BUFFER_USAGE, type GpuDevice } from '../packages/pixel-llm/src/backends/webgpu/gpu-device.ts';
import type { Kernel, KernelSizes } from '../packages/pixel-llm/src/backends/webgpu/kernels/kernel.ts';

type Values = Float32Array | Uint8Array | Uint16Array | Uint32Array;

export interface PreparedKernel {
  /** Dispatches it so often in one submit, and waits until it is done. */
  readonly run: () => Promise<void>;
  /** Runs it and reads `out` back. */
  result(): Promise<Float32Array>;
  dispose(): void;
}

export class GpuBench {
  readonly #device: GpuDevice;

  constructor(device: GpuDevice) {
    this.#device = device;
  }

  /** Uploads the inputs, by binding name; `textures` are bound instead of buffers where given. */
  async prepare(
    kernel: Kernel,
    sizes: KernelSizes,
    inputs: Readonly<Record<string, Values>>,
    outBytes: number,
    { repeats = 1, textures = {} }: { repeats?: number; textures?: Readonly<Record<string, GPUTextureView>> } = {},
  ): Promise<PreparedKernel> {
    const { device } = this.#device;
    const { storage, uniform, copySource, copyTarget, mapRead } = BUFFER_USAGE;
    const given: Record<string, Values> = { sizes: Uint32Array.of(sizes.rows, sizes.context, 0, 0), ...inputs };
    const buffers: GPUBuffer[] = [];
    const resources = new Map<string, GPUBindingResource>(Object.entries(textures));
    for (const { name, kind } of kernel.bindings) {
      if (resources.has(name)) continue;
      const values = given[name];
      const usage = (kind === 'uniform' ? uniform : storage | copySource) | copyTarget;
      const buffer = await this.#device.createBuffer(
        name,
        Math.max(values?.byteLength ?? 0, name === 'out' ? outBytes : 0),
        usage,
      );
      if (values)
        device.queue.writeBuffer(
          buffer,
          0,
          new Uint8Array(values.buffer as ArrayBuffer, values.byteOffset, values.byteLength),
        );
      buffers.push(buffer);
      resources.set(name, { buffer });
    }
    const pipeline = await this.#device.pipeline(kernel);
    const group = this.#device.bindGroup(pipeline, kernel, resources);
    const submit = (count: number): void => {
      const encoder = device.createCommandEncoder();
      const pass = encoder.beginComputePass();
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, group);
      for (let i = 0; i < count; i++) pass.dispatchWorkgroups(...kernel.workgroups(sizes));
      pass.end();
      device.queue.submit([encoder.finish()]);
    };
    return {
      run: async () => {
        submit(repeats);
        await device.queue.onSubmittedWorkDone();
        this.#device.check();
      },
      result: async () => {
        submit(1);
        const staging = await this.#device.createBuffer('read back', outBytes, mapRead | copyTarget);
        const encoder = device.createCommandEncoder();
        const out = resources.get('out') as GPUBufferBinding;
        encoder.copyBufferToBuffer(out.buffer, 0, staging, 0, staging.size);
        device.queue.submit([encoder.finish()]);
        const values = new Float32Array(await this.#device.read(staging, staging.size)).slice(0, outBytes / 4);
        staging.destroy();
        return values;
      },
      dispose: () => {
        for (const buffer of buffers) buffer.destroy();
      },
    };
  }
}
