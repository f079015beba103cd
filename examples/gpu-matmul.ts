/**
 * Products of random matrices of random shapes on the GPU, in f32 and with halves packed two to a word, checked against sums in 64 bits.
 *
 *     node examples/gpu-matmul.ts [COUNT] [--adapter NAME]
 */
import { conclude, largestDifference, openExampleGpu, randomNumbers } from './arguments.ts';

const { gpu, parameters } = await openExampleGpu(
  'Products of COUNT (default: 10) random matrices on the GPU, checked.',
);
const count = Number(parameters[0] ?? 10);
const sizes = randomNumbers(3 * count, 3).map((value) => Math.floor(1 + 100 * (1 + value)));

// The driver compiles the kernel once, for all shapes.
await gpu.matrixProduct(Float32Array.of(1), Float32Array.of(1), { rows: 1, columns: 1, inner: 1 });

let worst = 0;
for (let i = 0; i < count; i++) {
  const [rows = 1, columns = 1, inner = 1] = sizes.subarray(3 * i, 3 * i + 3);
  const a = randomNumbers(rows * inner, 10 + i);
  const b = randomNumbers(columns * inner, 20 + i);
  const begun = performance.now();
  const product = await gpu.matrixProduct(a, b, { rows, columns, inner });
  const milliseconds = performance.now() - begun;
  const difference = largestDifference(product, productInDoubles(a, b, inner));
  worst = Math.max(worst, difference);
  console.log(
    `${rows} x ${inner} by ${inner} x ${columns}: largest difference ${difference.toExponential(1)}, ${milliseconds.toFixed(1)} ms with all copies`,
  );
}

// Halves: an integer below 2048 is one exactly, so the result must be exact, too.
const [a, b] = [randomNumbers(64 * 64, 4), randomNumbers(64 * 64, 5)].map((values) =>
  values.map((value) => Math.round(8 * value)),
);
if (a && b) {
  const halves = await gpu.matrixProduct(a, b, { rows: 64, columns: 64, inner: 64 }, { type: 'f16' });
  const difference = largestDifference(halves, productInDoubles(a, b, 64));
  worst = Math.max(worst, difference);
  console.log(`64 x 64 by 64 x 64, two halves to a word: largest difference ${difference}`);
}
conclude(worst, 1e-5);
gpu.dispose();

/** Every row of a with every row of b. */
function productInDoubles(a: Float32Array, b: Float32Array, inner: number): Float64Array {
  const [rows, columns] = [a.length / inner, b.length / inner];
  return Float64Array.from({ length: rows * columns }, (_, at) => {
    const [row, column] = [Math.floor(at / columns), at % columns];
    let sum = 0;
    for (let i = 0; i < inner; i++) sum += (a[row * inner + i] ?? 0) * (b[column * inner + i] ?? 0);
    return sum;
  });
}
