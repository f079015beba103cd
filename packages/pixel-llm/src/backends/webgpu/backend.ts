/** The device `gpu`: WGSL kernels on a WebGPU adapter, in Node and in browsers. */
import { PixelError } from '../../core/errors.ts';
import { ACTIVATION_MODES, type ActivationMode, type Program } from '../../program/program.ts';
import { validateProgram } from '../../program/validate.ts';
import { checkTensor } from '../reference/load-weights.ts';
import { type Backend, DEFAULT_PAGE_TOKENS } from '../types.ts';
import { chooseAdapter } from './adapters.ts';
import { GpuExecutor } from './executor.ts';
import { type DeviceRestrictions, GpuDevice } from './gpu-device.ts';
import { GpuModel } from './gpu-model.ts';
import { cacheBytes } from './kv-cache.ts';
import { storedBytes } from './weight-store.ts';

export interface GpuOptions {
  /** A part of the adapter's name. Default: the first real GPU. */
  readonly adapter?: string | undefined;
  readonly restrictions?: DeviceRestrictions | undefined;
  /** A device to share, instead of one for each model. It stays the caller's. */
  readonly device?: GpuDevice | undefined;
  /** What keys and values are kept in. Default f16. */
  readonly cacheType?: 'f16' | 'f32' | undefined;
  /** What products with few tokens multiply weights of integers with, where the device can: 32 bits (default), or 8, as `cpu` does. */
  readonly activations?: ActivationMode | undefined;
  /** False: every op of the Program by itself. */
  readonly fuse?: boolean | undefined;
  /** Entries of one pass. Default: what is best. */
  readonly maxTokens?: number | undefined;
}

/** Throws `unknown-device`, saying why there is none, and `bad-argument`. */
export async function createGpuBackend(options: GpuOptions = {}): Promise<Backend> {
  const {
    adapter: wanted,
    restrictions,
    cacheType: type = 'f16',
    activations = 'f32',
    fuse = true,
    maxTokens,
  } = options;
  if (!ACTIVATION_MODES.includes(activations)) {
    throw new PixelError(
      'bad-argument',
      `There are no activations "${activations}": ${ACTIVATION_MODES.join(' or ')}.`,
    );
  }
  const { name } = options.device ?? (await chooseAdapter(wanted));
  return {
    device: 'gpu',
    description: `WebGPU on ${name}`,
    activations,
    estimateBytes: (program, pages) => storedBytes(program) + cacheBytes(program, { type, ...pages }),
    async load(program, source, { pageCount, pageTokens = DEFAULT_PAGE_TOKENS, signal, onProgress }) {
      for (const [what, value] of Object.entries({ pageCount, pageTokens })) {
        if (Number.isSafeInteger(value) && value >= (what === 'pageCount' ? 0 : 1)) continue;
        throw new PixelError('bad-argument', `${what} is ${value}; it must be a whole number.`);
      }
      const checked: Program = validateProgram(program);
      for (const weight of checked.weights) checkTensor(weight, source);
      // An adapter gives one device, so each model asks for its own.
      const device = options.device?.share() ?? (await GpuDevice.open(await chooseAdapter(wanted), restrictions));
      const cache = { type, pageCount, pageTokens };
      try {
        const model = await GpuModel.load(device, checked, source, { cache, fuse, maxTokens }, { signal, onProgress });
        return new GpuExecutor(checked, model, cache);
      } catch (error) {
        device.destroy();
        throw error;
      }
    },
  };
}
