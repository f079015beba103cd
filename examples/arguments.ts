/** What the GPU examples have in common: their one option, and numbers that are the same each time. */
import { parseArgs } from 'node:util';
import { type GpuCompute, isPixelError, openGpuCompute } from 'pixel-llm';

/** Opens the GPU that `--adapter NAME` names, a software one too; without it, a real one. Says what is missing and ends the program. */
export async function openExampleGpu(description: string): Promise<{ gpu: GpuCompute; parameters: string[] }> {
  const { values, positionals } = parseArgs({
    options: { adapter: { type: 'string' }, help: { type: 'boolean', short: 'h' } },
    allowPositionals: true,
  });
  if (values.help) {
    console.log(
      `${description}\n\n  --adapter NAME   a part of the adapter's name: "llvmpipe" or "swiftshader" compute in software`,
    );
    process.exit(0);
  }
  try {
    const gpu = await openGpuCompute({ adapter: values.adapter });
    console.log(`On ${gpu.adapter}`);
    return { gpu, parameters: positionals };
  } catch (error) {
    if (!isPixelError(error)) throw error;
    console.error(error.message.replaceAll('--gpu-adapter', '--adapter'));
    process.exit(1);
  }
}

/** So many numbers from -1 to 1, the same for the same seed (xorshift32; Marsaglia, "Xorshift RNGs", 2003). */
export function randomNumbers(count: number, seed: number): Float32Array<ArrayBuffer> {
  let state = Math.imul(seed + 1, 0x9e3779b1);
  return Float32Array.from({ length: count }, () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 31 - 1;
  });
}

/** The largest distance of two results, in parts of the largest expected number. */
export function largestDifference(found: Float32Array, expected: Float64Array): number {
  let [difference, largest] = [0, 0];
  for (const [i, value] of expected.entries()) {
    difference = Math.max(difference, Math.abs(value - (found[i] ?? Number.NaN)));
    largest = Math.max(largest, Math.abs(value));
  }
  return difference / largest;
}

/** Prints the verdict, and makes it the exit code. */
export function conclude(difference: number, most: number): void {
  const holds = difference < most;
  console.log(
    `Relative difference ${difference.toExponential(1)}: ${holds ? 'the same, up to rounding' : 'NOT the same'}.`,
  );
  process.exitCode = holds ? 0 : 1;
}
