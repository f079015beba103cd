/** Products, with what is joined to them: which kernels they take for a few tokens, or for many. */
import type { Dispatch, Place, StageContext } from './dispatch.ts';
import { gatedHalvesKernel } from './kernels/elementwise.ts';
import { canMultiplyPacked, type MatVecSpec, matVecKernel } from './kernels/mat-vec.ts';
import { normKernel } from './kernels/norm.ts';
import { quantizeActivationsKernel } from './kernels/quantize-activations.ts';
import { roundActivationsKernel } from './kernels/round-activations.ts';
import { tiledProductKernel } from './kernels/tiled-product.ts';
import type { ProductOp } from './plan-ops.ts';
import type { MatrixPart } from './weight-store.ts';

/** A part of one of the op's matrices, and where its rows stand in those of all. */
interface PlacedPart {
  readonly type: string;
  readonly part: MatrixPart;
  readonly first: number;
}

/** Width of the values that a product may need on its way. */
export function productTemps(op: ProductOp): ReadonlyMap<string, number> {
  const { out, columns, norm, activations, gate } = op;
  return new Map([
    ...(norm ? [[`${out} normed`, columns] as const] : []),
    ...(activations === 'q8'
      ? ([
          [`${out} rounded`, columns],
          [`${out} packed`, Math.ceil(columns / 4)],
          [`${out} scales`, Math.ceil(columns / 32)],
        ] as const)
      : []),
    ...(gate ? [[`${out} product`, rowsOf(op)] as const] : []),
  ]);
}

/** The dispatches of a product over at most so many rows; their `sizes` is the caller's to bind. */
export function productDispatches(op: ProductOp, rows: number, context: StageContext): Dispatch[] {
  if (rows <= 8 && canPack(op, context)) {
    const [packed, scales] = [`${op.out} packed`, `${op.out} scales`].map((name): Place => ({ value: name }));
    const kernel = quantizeActivationsKernel({ width: op.columns }, context.traits);
    const pack = { kernel, places: { x: { value: op.x }, packed: packed!, scales: scales! } };
    return [pack, ...fewRows(op, { x: packed!, x_scales: scales! }, rows, context)];
  }
  const { dispatches, x } = rounded(op, context);
  if (rows <= 8) return [...dispatches, ...fewRows(op, { x: { value: x } }, rows, context)];
  return [...dispatches, ...manyRows(op, x, context)];
}

/** Whether integers can meet integers: the device has the instruction, and all weights are of such a type. */
function canPack(op: ProductOp, context: StageContext): boolean {
  const { activations, columns } = op;
  if (activations !== 'q8' || !context.traits.packedDot) return false;
  return partsOf(op, context).every(({ type }) => canMultiplyPacked(type, columns));
}

/** The activations as `q8` wants them, as floats: where integers cannot be multiplied. */
function rounded({ activations, columns, out, x }: ProductOp, { traits }: StageContext) {
  if (activations !== 'q8') return { dispatches: [], x };
  const to = `${out} rounded`;
  return { dispatches: [{ kernel: roundActivationsKernel({ width: columns }, traits), places: xOut(x, to) }], x: to };
}

/** Weights are read once for all tokens, and all that is joined is done in the same dispatch. With `x_scales`, activations are packed. */
function fewRows(
  op: ProductOp,
  input: Readonly<Record<'x', Place> & Partial<Record<'x_scales', Place>>>,
  rows: number,
  context: StageContext,
): Dispatch[] {
  const { columns, out, norm, bias, residual, gate } = op;
  const { traits } = context;
  const parts = partsOf(op, context);
  const spec = {
    columns,
    tokens: rows as MatVecSpec['tokens'],
    activations: input.x_scales ? ('q8' as const) : ('f32' as const),
    bias: bias !== undefined,
    residual: residual !== undefined,
    ...(norm ? { norm: { epsilon: norm.epsilon } } : {}),
    ...(gate ? { gate } : {}),
  };
  const places = (placed: readonly PlacedPart[]): Dispatch['places'] => ({
    ...input,
    out: { value: out },
    ...joinedPlaces(op, context),
    ...Object.assign({}, ...placed.map(({ part }, i) => planePlaces(`m${i}`, part))),
  });
  const matrixOf = ({ type, part }: PlacedPart, i: number) => ({ name: `m${i}`, type, rows: part.rows });
  // x, out, and what is joined are bound beside the planes.
  const bound = parts.reduce(
    (sum, { part }) => sum + part.planes.size,
    1 + Object.keys(input).length + Object.keys(joinedPlaces(op, context)).length,
  );
  if (bound <= traits.maxStorageBuffers) {
    return [{ kernel: matVecKernel({ ...spec, matrices: parts.map(matrixOf) }, traits), places: places(parts) }];
  }
  return parts.map((placed) => {
    const at = { first: placed.first, width: rowsOf(op) };
    return {
      kernel: matVecKernel({ ...spec, matrices: [matrixOf(placed, 0)], out: at }, traits),
      places: places([placed]),
    };
  });
}

/** Tiles; the norm before and the gate behind are dispatches of their own. */
function manyRows(op: ProductOp, given: string, context: StageContext): Dispatch[] {
  const { columns, out, norm, bias, residual, gate } = op;
  const { traits, weights } = context;
  const dispatches: Dispatch[] = [];
  let x = given;
  if (norm) {
    const kernel = normKernel({ op: 'rmsNorm', width: columns, size: columns, epsilon: norm.epsilon }, traits);
    x = `${out} normed`;
    dispatches.push({ kernel, places: { ...xOut(given, x), gain: { binding: weights.vector(norm.gain) } } });
  }
  const width = rowsOf(op);
  const product = gate ? `${out} product` : out;
  for (const { type, part, first } of partsOf(op, context)) {
    const joined = { bias: bias !== undefined, residual: residual !== undefined };
    const spec = { type, rows: part.rows, columns, ...joined, out: { first, width } };
    const places = { ...xOut(x, product), ...joinedPlaces(op, context), ...planePlaces('matrix', part) };
    dispatches.push({ kernel: tiledProductKernel(spec, traits), places });
  }
  if (gate) {
    dispatches.push({ kernel: gatedHalvesKernel({ op: gate, width: width / 2 }, traits), places: xOut(product, out) });
  }
  return dispatches;
}

function rowsOf({ matrices }: ProductOp): number {
  return matrices.reduce((sum, { rows }) => sum + rows, 0);
}

function partsOf({ matrices }: ProductOp, { weights }: StageContext): PlacedPart[] {
  let before = 0;
  return matrices.flatMap(({ weight, rows }) => {
    const { type, parts } = weights.matrix(weight);
    const start = before;
    before += rows;
    return parts.map((part) => ({ type, part, first: start + part.firstRow }));
  });
}

function joinedPlaces({ norm, bias, residual }: ProductOp, { weights }: StageContext): Record<string, Place> {
  return {
    ...(norm ? { gain: { binding: weights.vector(norm.gain) } } : {}),
    ...(bias === undefined ? {} : { bias: { binding: weights.vector(bias) } }),
    ...(residual === undefined ? {} : { residual: { value: residual } }),
  };
}

function planePlaces(name: string, { planes }: MatrixPart): Record<string, Place> {
  return Object.fromEntries([...planes].map(([plane, binding]) => [`${name}.${plane}`, { binding }]));
}

function xOut(x: string, out: string): Record<string, Place> {
  return { x: { value: x }, out: { value: out } };
}
