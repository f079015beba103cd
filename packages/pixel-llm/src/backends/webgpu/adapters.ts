/** Which adapter to compute on: the one that was asked for by name, else the first real GPU; a software adapter only when asked for. */
import { PixelError } from '../../core/errors.ts';
import { type FoundAdapter, gpuPlatform } from './gpu-platform.ts';

/** One adapter, for people and for `devices --json`. */
export interface AdapterReport {
  readonly name: string;
  readonly type: 'gpu' | 'software';
  readonly vendor: string;
  readonly architecture: string;
  readonly features: readonly string[];
  /** What bounds a model on it; bytes where the name says bytes or size. */
  readonly limits: Readonly<Record<string, number>>;
}

/** The limits that matter for computing. A device is asked for all the adapter has of them. */
export const COMPUTE_LIMITS = [
  'maxBufferSize',
  'maxStorageBufferBindingSize',
  'maxStorageBuffersPerShaderStage',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupSizeX',
  'maxComputeWorkgroupSizeY',
  'maxComputeWorkgroupSizeZ',
  'maxComputeWorkgroupStorageSize',
  'maxComputeWorkgroupsPerDimension',
] as const;

/**
 * The adapter whose name holds `wanted`, or without it the first that is hardware.
 * Throws `unknown-device`, saying what there is and why nothing fits.
 */
export async function chooseAdapter(wanted?: string): Promise<FoundAdapter> {
  const found = await findAdapters();
  const chosen = found.find((candidate) => {
    const { name, adapter } = candidate;
    if (wanted === undefined) return !isSoftware(candidate);
    return `${name} ${adapter.info.description}`.toLowerCase().includes(wanted.toLowerCase());
  });
  if (chosen) return chosen;
  const names = found.map((one) => `"${one.name}"${isSoftware(one) ? ' (software)' : ''}`).join(', ');
  throw new PixelError(
    'unknown-device',
    wanted === undefined
      ? `There is no GPU here. A software adapter computes the same, slowly, when it is asked for by a part of its name (--gpu-adapter NAME): ${names}.`
      : `No GPU adapter has "${wanted}" in its name. Adapters: ${names}.`,
  );
}

/** All adapters, best first. Throws `unknown-device` when there are none, saying why. */
export async function listAdapters(): Promise<readonly AdapterReport[]> {
  return (await findAdapters()).map(({ name, adapter, gpu }) => ({
    name,
    type: isSoftware({ name, adapter, gpu }) ? 'software' : 'gpu',
    vendor: adapter.info.vendor,
    architecture: adapter.info.architecture,
    features: [...adapter.features].sort(),
    limits: Object.fromEntries(COMPUTE_LIMITS.map((limit) => [limit, adapter.limits[limit]])),
  }));
}

async function findAdapters(): Promise<readonly FoundAdapter[]> {
  let found: readonly FoundAdapter[];
  try {
    found = await gpuPlatform().findAdapters();
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new PixelError('unknown-device', `The device "gpu" cannot be used: ${reason}.`, { cause });
  }
  if (found.length > 0) return found;
  throw new PixelError('unknown-device', 'The device "gpu" cannot be used: there is no adapter.');
}

/** Browsers do not always say that theirs is one, but its name does. */
function isSoftware({ name, adapter: { info } }: FoundAdapter): boolean {
  const names = [name, info.vendor, info.architecture, info.device, info.description].join(' ');
  return info.isFallbackAdapter || /swiftshader|llvmpipe|lavapipe|microsoft basic render/i.test(names);
}
