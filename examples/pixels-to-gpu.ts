/**
 * From a picture to a product: the bytes of a .png go to the GPU as they stand in the file, and are multiplied there.
 *
 *     node examples/pixels-to-gpu.ts [MODEL.pxi.png] [TENSOR] [--adapter NAME]
 *
 * Without a model, a small random one is drawn first.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  convertToPictures,
  MemoryByteSink,
  MemoryByteSource,
  makeModel,
  openContent,
  openWeights,
  readRows,
  type TensorInfo,
  type WeightSource,
} from 'pixel-llm';
import { conclude, largestDifference, openExampleGpu, randomNumbers } from './arguments.ts';

const { gpu, parameters } = await openExampleGpu('Bytes of a picture, unchanged, to the GPU, and multiplied there.');
const folder = await mkdtemp(join(tmpdir(), 'pixels-to-gpu-'));
const path = parameters[0] ?? (await drawModel(join(folder, 'model.pxi.png')));
const file = await readFile(path);
const weights = await openWeights(new MemoryByteSource(file));
const tensor = chosenTensor(weights, parameters[1]);
const [columns = 1, rows = 1] = tensor.dimensions;
console.log(`${path}: ${tensor.name}, ${rows} x ${columns} weights of type ${tensor.type.name}`);

const planes: Record<string, Uint8Array> = {};
for (const { name, bytes } of tensor.type.fields) {
  const plane = new Uint8Array(((rows * columns) / tensor.type.blockElements) * bytes);
  await weights.readPlane(tensor.name, name, { start: 0, end: rows }, plane);
  const at = file.indexOf(plane.subarray(0, 64));
  console.log(`plane ${name}: ${plane.length} bytes, which begin at byte ${at} of the file (a pixel is four of them)`);
  planes[name] = plane;
}

const x = randomNumbers(columns, 7);
const onGpu = await gpu.matrixTimesVector({ type: tensor.type.name, rows, columns, planes }, x);
const numbers = await readRows(weights, tensor.name, { start: 0, end: rows });
const onCpu = Float64Array.from({ length: rows }, (_, row) => {
  let sum = 0;
  for (let i = 0; i < columns; i++) sum += (numbers[row * columns + i] ?? 0) * (x[i] ?? 0);
  return sum;
});
console.log(`GPU: ${Array.from(onGpu.subarray(0, 4), (value) => value.toFixed(6)).join('  ')} ...`);
console.log(`CPU: ${Array.from(onCpu.subarray(0, 4), (value) => value.toFixed(6)).join('  ')} ...`);
conclude(largestDifference(onGpu, onCpu), 1e-5);
await weights.dispose();
await rm(folder, { recursive: true });
gpu.dispose();

/** A random model as a picture. */
async function drawModel(to: string): Promise<string> {
  const gguf = new MemoryByteSink();
  await makeModel({ shape: 'toy', type: 'Q4_0', seed: 1 }, gguf);
  const picture = new MemoryByteSink();
  await convertToPictures(await openContent(new MemoryByteSource(gguf.result())), async () => picture);
  await writeFile(to, picture.result());
  return to;
}

/** The one of that name, or the first matrix of a layer. */
function chosenTensor({ head }: WeightSource, wanted = 'blk.0.ffn_up.weight'): TensorInfo {
  const tensor = head.tensors.get(wanted);
  if (tensor) return tensor;
  console.error(`There is no tensor ${wanted}. There are: ${[...head.tensors.keys()].join(', ')}.`);
  process.exit(1);
}
