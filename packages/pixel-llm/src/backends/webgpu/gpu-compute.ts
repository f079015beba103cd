/**
 * The GPU without a model: a dot product, a matrix product, weights of any type times a vector. What the examples show and a person tries first;
 * models run on backend.ts instead, which keeps everything on the device.
 */
import { PixelError } from '../../core/errors.ts';
import { floatToHalf } from '../../gguf/half.ts';
import { tensorTypeByName } from '../../gguf/tensor-types.ts';
import { chooseAdapter } from './adapters.ts';
import { GpuDevice } from './gpu-device.ts';
import { dotProductKernel } from './kernels/dot-product.ts';
import { matVecKernel } from './kernels/mat-vec.ts';
import { type MatrixShape, matrixProductKernel } from './kernels/matrix-product.ts';
import { runOnce } from './run-once.ts';

export interface GpuComputeOptions {
  /** A part of the adapter's name. Default: the first real GPU; a software adapter only when it is asked for. */
  adapter?: string | undefined;
}

/** A matrix of weights as a picture holds it: each plane's bytes, unchanged (docs/format.md, "Planes"). */
export interface PlanarMatrix {
  /** The ggml type's name. */
  readonly type: string;
  readonly rows: number;
  readonly columns: number;
  readonly planes: Readonly<Record<string, Uint8Array>>;
}

export interface GpuCompute {
  /** The adapter's name. */
  readonly adapter: string;
  /** Two vectors of one length, not empty -> the sum of their products, in f32. Throws `bad-argument`. */
  dotProduct(a: Float32Array, b: Float32Array): Promise<number>;
  /**
   * a [rows, inner], b [columns, inner] -> [rows, columns]: every row of a with every row of b, summed in f32. `f16`: both are
   * rounded to half precision first, and take half the memory. Throws `bad-argument`, `out-of-memory`.
   */
  matrixProduct(
    a: Float32Array,
    b: Float32Array,
    shape: MatrixShape,
    options?: { type?: 'f32' | 'f16' },
  ): Promise<Float32Array>;
  /** matrix [rows, columns], x [columns] -> [rows]. Throws `bad-argument`, `unsupported-type`, `out-of-memory`. */
  matrixTimesVector(matrix: PlanarMatrix, x: Float32Array): Promise<Float32Array>;
  /** Harmless twice. */
  dispose(): void;
  [Symbol.dispose](): void;
}

/** Opens the GPU. Throws `unknown-device`, saying which adapters there are. */
export async function openGpuCompute({ adapter }: GpuComputeOptions = {}): Promise<GpuCompute> {
  const device = await GpuDevice.open(await chooseAdapter(adapter));
  const dispose = (): void => device.destroy();
  return {
    adapter: device.name,
    dotProduct: (a, b) => dotProduct(device, a, b),
    matrixProduct: (a, b, shape, { type = 'f32' } = {}) => matrixProduct(device, a, b, shape, type),
    matrixTimesVector: (matrix, x) => matrixTimesVector(device, matrix, x),
    dispose,
    [Symbol.dispose]: dispose,
  };
}

async function dotProduct(device: GpuDevice, a: Float32Array, b: Float32Array): Promise<number> {
  check(a.length > 0 && a.length === b.length, `Vectors of ${a.length} and ${b.length} numbers have no dot product.`);
  const kernel = dotProductKernel(device.traits);
  const { out } = await runOnce(device, kernel, { rows: a.length, context: 0 }, { a, b }, { out: 1 });
  return out?.[0] ?? Number.NaN;
}

async function matrixProduct(
  device: GpuDevice,
  a: Float32Array,
  b: Float32Array,
  shape: MatrixShape,
  type: 'f32' | 'f16',
): Promise<Float32Array> {
  const { rows, columns, inner } = shape;
  const isWhole = [rows, columns, inner].every((size) => Number.isSafeInteger(size) && size > 0);
  check(
    isWhole,
    `A matrix product has whole numbers of rows, columns and inner columns, at least 1: ${JSON.stringify(shape)}.`,
  );
  check(a.length === rows * inner, `${a.length} numbers are no matrix of ${rows} x ${inner}.`);
  check(b.length === columns * inner, `${b.length} numbers are no matrix of ${columns} x ${inner}.`);
  const inputs = {
    a: inFours(a, inner, type),
    b: inFours(b, inner, type),
    shape: Uint32Array.of(rows, columns, inner, 0),
  };
  const kernel = matrixProductKernel(type, shape, device.traits);
  const { out } = await runOnce(device, kernel, { rows, context: 0 }, inputs, { out: rows * columns });
  return out ?? new Float32Array();
}

async function matrixTimesVector(device: GpuDevice, matrix: PlanarMatrix, x: Float32Array): Promise<Float32Array> {
  const { type, rows, columns, planes } = matrix;
  check(x.length === columns, `A matrix of ${columns} columns cannot be multiplied with ${x.length} numbers.`);
  const kernel = matVecKernel({ matrices: [{ name: 'matrix', type, rows }], columns, tokens: 1 }, device.traits);
  const inputs: Record<string, Float32Array | Uint8Array> = { x };
  const { fields = [], blockElements = 1 } = tensorTypeByName(type) ?? {};
  for (const { name, bytes } of fields) {
    const expected = ((rows * columns) / blockElements) * bytes;
    const plane = planes[name];
    check(
      plane?.length === expected,
      `The plane "${name}" of ${rows} x ${columns} ${type} weights has ${expected} bytes.`,
    );
    inputs[`matrix.${name}`] = plane!;
  }
  const { out } = await runOnce(device, kernel, { rows: 1, context: 0 }, inputs, { out: rows });
  return out ?? new Float32Array();
}

/** Rows padded with zeros to a multiple of four numbers. */
function inFours(values: Float32Array, inner: number, type: 'f32' | 'f16'): Float32Array | Uint16Array {
  const width = Math.ceil(inner / 4) * 4;
  const padded = new Float32Array((values.length / inner) * width);
  for (let row = 0; row * inner < values.length; row++) {
    padded.set(values.subarray(row * inner, (row + 1) * inner), row * width);
  }
  return type === 'f32' ? padded : Uint16Array.from(padded, floatToHalf);
}

function check(holds: boolean, message: string): void {
  if (!holds) throw new PixelError('bad-argument', message);
}
