/**
 * WebGPU in Node: Dawn, from the optional package `webgpu`. It brings no driver; on Linux it takes the Vulkan drivers that the system has
 * (`VK_ICD_FILENAMES` chooses among them, and is read when the first adapter is asked for). Importing this file installs it.
 */
import { existsSync, readdirSync } from 'node:fs';
import { type FoundAdapter, installGpuPlatform } from './gpu-platform.ts';

/** Each must be kept for as long as the process lives: collected while a device of it is in use, it takes the process down. */
const kept = new Map<string, GPU>();

type Create = (options: string[]) => GPU;

installGpuPlatform({
  async findAdapters() {
    const create = await loadDawn();
    const found: FoundAdapter[] = [];
    for (const name of await adapterNames(create)) {
      const gpu = kept.get(name) ?? create([`adapter=${name}`]);
      kept.set(name, gpu);
      const adapter = await gpu.requestAdapter();
      if (adapter) found.push({ gpu, adapter, name });
    }
    if (found.length > 0) return found.sort((a, b) => rank(a) - rank(b));
    throw new Error('no graphics driver was found (on Linux: a Vulkan driver)');
  },
  mayHaveHardware() {
    if (process.platform !== 'linux') return true;
    const devices = existsSync('/dev/dri') ? readdirSync('/dev/dri') : [];
    return devices.some((name) => name.startsWith('renderD')) || ['/dev/nvidia0', '/dev/dxg'].some(existsSync);
  },
});

async function loadDawn(): Promise<Create> {
  try {
    return (await import('webgpu')).create;
  } catch (cause) {
    throw new Error('the optional package "webgpu" is not installed or does not run here', { cause });
  }
}

/** Dawn tells the names of all adapters when it is asked for one that does not exist. */
async function adapterNames(create: Create): Promise<string[]> {
  try {
    await create(['adapter=no adapter has this name']).requestAdapter();
    return [];
  } catch (error) {
    return [...String(error).matchAll(/name: '([^']*)'/g)].map((match) => match[1] ?? '');
  }
}

/** Hardware first. */
function rank({ adapter }: FoundAdapter): number {
  return adapter.info.isFallbackAdapter ? 1 : 0;
}
