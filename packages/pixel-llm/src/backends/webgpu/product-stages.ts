/** Products, with what is joined to them: which kernels they take for one token, a few, or many. */
import type { Dispatch, Place, StageContext } from './dispatch.ts';
import { elementwiseKernel, gatedHalvesKernel } from './kernels/elementwise.ts';
import { plainMatmulKernel } from './kernels/matmul-f32.ts';
import { normKernel } from './kernels/norm.ts';
import { roundActivationsKernel } from './kernels/round-activations.ts';
import type { ProductOp } from './plan-ops.ts';

/** Width of the values that a product may need on its way. */
export function productTemps({
  out,
  columns,
  matrices,
  norm,
  activations,
  gate,
  residual,
}: ProductOp): ReadonlyMap<string, number> {
  const rows = matrices.reduce((sum, matrix) => sum + matrix.rows, 0);
  return new Map([
    ...(norm ? [[`${out} normed`, columns] as const] : []),
    ...(activations === 'q8' ? [[`${out} rounded`, columns] as const] : []),
    ...(gate || residual !== undefined ? [[`${out} product`, rows] as const] : []),
  ]);
}

/** The dispatches of a product over at most so many rows; their `sizes` is the caller's to bind. */
export function productDispatches(op: ProductOp, _rows: number, context: StageContext): Dispatch[] {
  const { out, columns, norm, activations, gate, residual } = op;
  const { traits, weights } = context;
  const dispatches: Dispatch[] = [];
  let x = op.x;
  if (norm) {
    const { gain, epsilon } = norm;
    const kernel = normKernel({ op: 'rmsNorm', width: columns, size: columns, epsilon }, traits);
    const normed = `${out} normed`;
    dispatches.push({ kernel, places: { ...xOut(x, normed), gain: { binding: weights.vector(gain) } } });
    x = normed;
  }
  if (activations === 'q8') {
    dispatches.push({ kernel: roundActivationsKernel({ width: columns }, traits), places: xOut(x, `${out} rounded`) });
    x = `${out} rounded`;
  }
  const isFinished = !gate && residual === undefined;
  const product = isFinished ? out : `${out} product`;
  dispatches.push(...plainProducts(op, x, product, context));
  const rows = op.matrices.reduce((sum, matrix) => sum + matrix.rows, 0);
  if (gate) {
    const kernel = gatedHalvesKernel({ op: gate, width: rows / 2 }, traits);
    dispatches.push({ kernel, places: xOut(product, out) });
  }
  if (residual !== undefined) {
    const places = { a: { value: residual }, b: { value: product }, out: { value: out } };
    dispatches.push({ kernel: elementwiseKernel({ op: 'add', width: rows }, traits), places });
  }
  return dispatches;
}

function plainProducts({ matrices }: ProductOp, x: string, out: string, { traits, weights }: StageContext): Dispatch[] {
  const outWidth = matrices.reduce((sum, { rows }) => sum + rows, 0);
  let before = 0;
  return matrices.flatMap(({ weight, bias, rows }) => {
    const { columns, parts } = weights.matrix(weight);
    const start = before;
    before += rows;
    return parts.map((part): Dispatch => {
      const spec = {
        rows: part.rows,
        columns,
        firstRow: part.firstRow,
        outColumn: start + part.firstRow,
        outWidth,
        bias: bias !== undefined,
      };
      return {
        kernel: plainMatmulKernel(spec, traits),
        places: {
          ...xOut(x, out),
          ...Object.fromEntries([...part.planes].map(([plane, binding]) => [`matrix.${plane}`, { binding }])),
          ...(bias === undefined ? {} : { bias: { binding: weights.vector(bias) } }),
        },
      };
    });
  });
}

function xOut(x: string, out: string): Record<string, Place> {
  return { x: { value: x }, out: { value: out } };
}
