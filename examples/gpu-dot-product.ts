/**
 * The smallest computation of a language model, on the GPU and beside it on the CPU: a dot product of a million numbers.
 *
 *     node examples/gpu-dot-product.ts [--adapter NAME]
 */
import { conclude, openExampleGpu, randomNumbers } from './arguments.ts';

const LENGTH = 1_000_000;

const { gpu } = await openExampleGpu('A dot product of a million numbers, on the GPU and on the CPU.');
const a = randomNumbers(LENGTH, 1);
const b = randomNumbers(LENGTH, 2);

const onGpu = await gpu.dotProduct(a, b);
let onCpu = 0;
for (let i = 0; i < LENGTH; i++) onCpu += (a[i] ?? 0) * (b[i] ?? 0);

console.log(`GPU (sums in 32 bits): ${onGpu}`);
console.log(`CPU (sums in 64 bits): ${onCpu}`);
// A million products of random numbers nearly cancel out; what rounding does is measured by the vectors' lengths.
conclude(Math.abs(onGpu - onCpu) / (Math.hypot(...lengths(a)) * Math.hypot(...lengths(b))), 1e-6);
gpu.dispose();

/** A vector's length in pieces, as Math.hypot takes no million arguments. */
function lengths(values: Float32Array): number[] {
  return Array.from({ length: 1000 }, (_, i) => Math.hypot(...values.subarray(1000 * i, 1000 * i + 1000)));
}
