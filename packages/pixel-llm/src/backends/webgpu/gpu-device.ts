/**
 * A GPUDevice and what it owns: its buffers, its pipelines (one for each distinct kernel text), and what becomes of it. Failures come out as
 * typed errors: too little memory, a device that was lost, a kernel or a call that the driver refuses.
 */
import { isPixelError, PixelError } from '../../core/errors.ts';
import { COMPUTE_LIMITS } from './adapters.ts';
import type { FoundAdapter } from './gpu-platform.ts';
import type { DeviceTraits, KernelText } from './kernels/kernel.ts';

/** The usage bits of the WebGPU specification; Node has no global for them. */
export const BUFFER_USAGE = { mapRead: 0x1, copySource: 0x4, copyTarget: 0x8, uniform: 0x40, storage: 0x80 } as const;
const MAP_READ = 0x1;

/** What to leave unused of an adapter: for tests, and to compare. */
export interface DeviceRestrictions {
  /** False: as if the adapter had no 16-bit floats. */
  readonly f16?: boolean | undefined;
  /** False: as if it had no subgroups. */
  readonly subgroups?: boolean | undefined;
  /** The least that every WebGPU device has, instead of what the adapter has. */
  readonly leastLimits?: boolean | undefined;
  /** Bytes of one storage binding, below what the device allows. */
  readonly maxBindingBytes?: number | undefined;
}

/** What all users of one GPUDevice have in common. */
interface SharedDevice {
  readonly name: string;
  readonly device: GPUDevice;
  readonly traits: DeviceTraits;
  readonly pipelines: Map<string, Promise<GPUComputePipeline>>;
  fault: PixelError | undefined;
  users: number;
}

export class GpuDevice {
  readonly #shared: SharedDevice;
  readonly #buffers = new Set<GPUBuffer>();
  #isDestroyed = false;

  private constructor(shared: SharedDevice) {
    this.#shared = shared;
    shared.users++;
  }

  /** Asks for what the adapter has, and works with what it gets. Throws `device-lost`, `unknown-device`. */
  static async open({ gpu, adapter, name }: FoundAdapter, restrictions: DeviceRestrictions = {}): Promise<GpuDevice> {
    const has = (feature: GPUFeatureName, allowed = true): boolean => allowed && adapter.features.has(feature);
    const features = [
      ...(has('shader-f16', restrictions.f16) ? ['shader-f16' as const] : []),
      ...(has('subgroups' as GPUFeatureName, restrictions.subgroups) ? ['subgroups' as GPUFeatureName] : []),
      ...(has('timestamp-query') ? ['timestamp-query' as const] : []),
    ];
    const limits = restrictions.leastLimits
      ? {}
      : Object.fromEntries(COMPUTE_LIMITS.map((limit) => [limit, adapter.limits[limit]]));
    try {
      const device = await adapter.requestDevice({ requiredFeatures: features, requiredLimits: limits });
      return new GpuDevice(shareDevice(name, device, traitsOf(device, adapter, gpu, restrictions)));
    } catch (cause) {
      throw new PixelError('unknown-device', `The adapter "${name}" gives no device: ${messageOf(cause)}`, { cause });
    }
  }

  /** The same device and its pipelines, with buffers of its own: it lives until all who share it have destroyed theirs. */
  share(): GpuDevice {
    return new GpuDevice(this.#shared);
  }

  /** The adapter's name. */
  get name(): string {
    return this.#shared.name;
  }

  get device(): GPUDevice {
    return this.#shared.device;
  }

  get traits(): DeviceTraits {
    return this.#shared.traits;
  }

  /** Why the device is gone, if it is. */
  get loss(): PixelError | undefined {
    const { fault } = this.#shared;
    return fault?.code === 'device-lost' ? fault : undefined;
  }

  /** Throws what the device has complained about since it was made: `device-lost`, `out-of-memory`, `bad-program`. */
  check(): void {
    if (this.#shared.fault) throw this.#shared.fault;
  }

  /** The reason behind a failure of the driver: what the device complained about, if it did, else the failure itself. */
  async explain(failure: unknown): Promise<unknown> {
    if (isPixelError(failure)) return failure;
    // The reason arrives in another event.
    await Promise.race([this.device.lost, new Promise((resolve) => setTimeout(resolve, 50))]);
    return this.#shared.fault ?? failure;
  }

  /** A buffer of at least so many bytes, a multiple of 16, zeros. Throws `out-of-memory`, `device-lost`. */
  async createBuffer(label: string, bytes: number, usage: number): Promise<GPUBuffer> {
    const size = Math.max(16, Math.ceil(bytes / 16) * 16);
    if (size > this.device.limits.maxBufferSize) throw noMemory(this.name, label, size);
    this.check();
    this.device.pushErrorScope('out-of-memory');
    this.device.pushErrorScope('validation');
    const buffer = this.device.createBuffer({ label, size, usage });
    const [invalid, error] = await Promise.all([this.device.popErrorScope(), this.device.popErrorScope()]).catch(
      async (cause: unknown) => {
        throw await this.explain(cause);
      },
    );
    this.check();
    if (error ?? invalid) throw noMemory(this.name, label, size, error ?? invalid);
    this.#buffers.add(buffer);
    return buffer;
  }

  /** A buffer that kernels can bind whole. Throws `out-of-memory`, `device-lost`. */
  async createBindable(label: string, bytes: number, usage: number): Promise<GPUBuffer> {
    if (bytes > this.traits.maxBindingBytes) throw noMemory(this.name, label, bytes);
    return this.createBuffer(label, bytes, usage);
  }

  /** The kernel's pipeline, compiled once for each text. Throws `bad-program`, `device-lost`. */
  pipeline(kernel: KernelText): Promise<GPUComputePipeline> {
    const known = this.#shared.pipelines.get(kernel.code);
    if (known) return known;
    const made = this.#compile(kernel);
    this.#shared.pipelines.set(kernel.code, made);
    return made;
  }

  /** The kernel's bindings, in order, to whole buffers or parts of them. */
  bindGroup(
    pipeline: GPUComputePipeline,
    kernel: KernelText,
    buffers: ReadonlyMap<string, GPUBindingResource>,
  ): GPUBindGroup {
    const entries = kernel.bindings.map(({ name }, binding) => {
      const resource = buffers.get(name);
      if (!resource) throw new PixelError('bad-program', `The kernel "${kernel.label}" lacks its binding "${name}".`);
      return { binding, resource };
    });
    return this.device.createBindGroup({ label: kernel.label, layout: pipeline.getBindGroupLayout(0), entries });
  }

  /** Copies the beginning of a mappable buffer out, once all that was submitted before is done. Throws `device-lost`, `out-of-memory`. */
  async read(staging: GPUBuffer, bytes: number): Promise<ArrayBuffer> {
    try {
      await staging.mapAsync(MAP_READ, 0, bytes);
    } catch (cause) {
      const reason = await this.explain(cause);
      throw isPixelError(reason) ? reason : lost(this.name, messageOf(cause));
    }
    const copy = staging.getMappedRange(0, bytes).slice(0);
    staging.unmap();
    this.check();
    return copy;
  }

  /** A part of a buffer that may be copied from, after all that was submitted before. Throws as `read`. */
  async readRange(buffer: GPUBuffer, offset: number, bytes: number): Promise<ArrayBuffer> {
    const staging = await this.createBuffer('what is read back', bytes, BUFFER_USAGE.mapRead | BUFFER_USAGE.copyTarget);
    try {
      const encoder = this.device.createCommandEncoder();
      encoder.copyBufferToBuffer(buffer, offset, staging, 0, bytes);
      this.device.queue.submit([encoder.finish()]);
      return await this.read(staging, bytes);
    } finally {
      this.release(staging);
    }
  }

  /** Gives a buffer back before the rest. */
  release(buffer: GPUBuffer): void {
    this.#buffers.delete(buffer);
    buffer.destroy();
  }

  /** Gives the buffers back, and the device with the last who shares it. Harmless twice. */
  destroy(): void {
    if (this.#isDestroyed) return;
    this.#isDestroyed = true;
    for (const buffer of this.#buffers) buffer.destroy();
    this.#buffers.clear();
    this.#shared.users--;
    if (this.#shared.users === 0) this.device.destroy();
  }

  async #compile(kernel: KernelText): Promise<GPUComputePipeline> {
    const { label, code, entryPoint } = kernel;
    try {
      const module = this.device.createShaderModule({ label, code });
      return await this.device.createComputePipelineAsync({ label, layout: 'auto', compute: { module, entryPoint } });
    } catch (cause) {
      const reason = await this.explain(cause);
      if (isPixelError(reason)) throw reason;
      throw new PixelError('bad-program', `The kernel "${label}" is refused by "${this.name}": ${messageOf(cause)}`, {
        cause,
      });
    }
  }
}

function shareDevice(name: string, device: GPUDevice, traits: DeviceTraits): SharedDevice {
  const shared: SharedDevice = { name, device, traits, pipelines: new Map(), fault: undefined, users: 0 };
  device.addEventListener('uncapturederror', ({ error }) => {
    shared.fault ??= faultOf(error, name);
  });
  void device.lost.then(({ message }) => {
    if (shared.users > 0) shared.fault = lost(name, message);
  });
  return shared;
}

function traitsOf(
  { features, limits }: GPUDevice,
  { info }: GPUAdapter,
  gpu: GPU,
  { maxBindingBytes = Infinity }: DeviceRestrictions,
): DeviceTraits {
  const hasSubgroups = features.has('subgroups' as GPUFeatureName);
  return {
    f16: features.has('shader-f16'),
    subgroups: hasSubgroups ? { least: info.subgroupMinSize, most: info.subgroupMaxSize } : undefined,
    packedDot: gpu.wgslLanguageFeatures.has('packed_4x8_integer_dot_product'),
    maxInvocations: Math.min(limits.maxComputeInvocationsPerWorkgroup, limits.maxComputeWorkgroupSizeX),
    maxSharedBytes: limits.maxComputeWorkgroupStorageSize,
    maxWorkgroups: limits.maxComputeWorkgroupsPerDimension,
    maxStorageBuffers: limits.maxStorageBuffersPerShaderStage,
    maxBindingBytes: Math.min(limits.maxStorageBufferBindingSize, limits.maxBufferSize, maxBindingBytes),
  };
}

function faultOf(error: GPUError, name: string): PixelError {
  // The constructors are globals in browsers only.
  const isMemory = error.constructor.name === 'GPUOutOfMemoryError';
  return new PixelError(isMemory ? 'out-of-memory' : 'bad-program', `The GPU "${name}" reports: ${error.message}`);
}

function noMemory(name: string, label: string, bytes: number, cause?: unknown): PixelError {
  return new PixelError(
    'out-of-memory',
    `The GPU "${name}" has no ${(bytes / 1e6).toFixed(1)} MB for ${label}: take a smaller model or type, or a shorter context (\`contextLength\`, --context).`,
    { cause, details: { bytes } },
  );
}

function lost(name: string, message: string): PixelError {
  return new PixelError('device-lost', `The GPU "${name}" stopped working: ${message}`);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
