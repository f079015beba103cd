/**
 * Where adapters come from: in browsers from `navigator.gpu`; node.ts installs what Node has instead. The one thing that differs between
 * the two is that Node can list all adapters by name, while a browser offers its choice for each preference.
 */

export interface FoundAdapter {
  readonly gpu: GPU;
  readonly adapter: GPUAdapter;
  /** The driver's name for it, or the best description the browser gives. */
  readonly name: string;
}

export interface GpuPlatform {
  /** Every adapter that can be had, best first. Throws an Error that says why there can be none. */
  findAdapters(): Promise<readonly FoundAdapter[]>;
  /** False where a real GPU is certainly missing, so that `auto` need not start a driver to find that out. */
  mayHaveHardware(): boolean;
}

let platform: GpuPlatform = {
  async findAdapters() {
    const gpu = globalThis.navigator?.gpu;
    if (!gpu) throw new Error('this browser has no WebGPU, or the page is not in a secure context');
    const found: FoundAdapter[] = [];
    for (const options of [{ powerPreference: 'high-performance' }, { powerPreference: 'low-power' }] as const) {
      const adapter = await gpu.requestAdapter(options);
      const name = adapter && adapterName(adapter);
      if (name && !found.some((other) => other.name === name)) found.push({ gpu, adapter, name });
    }
    return found;
  },
  mayHaveHardware: () => globalThis.navigator?.gpu !== undefined,
};

export function installGpuPlatform(installed: GpuPlatform): void {
  platform = installed;
}

export function gpuPlatform(): GpuPlatform {
  return platform;
}

/** Browsers keep most of it to themselves. */
function adapterName({ info }: GPUAdapter): string {
  const parts = [info.vendor, info.architecture, info.device, info.description].filter((part) => part !== '');
  return parts.length > 0 ? parts.join(' ') : 'unnamed adapter';
}
