/**
 * Matrix products of training, C [m, n] = sum over k of A x B, in tiles of 64 x 64: an invocation computes 4 x 4. What is read in which direction
 * tells the three products apart. With 16-bit tiles, what goes into a product is rounded to f16; sums stay f32.
 */
import type { KernelText } from '../kernels/kernel.ts';
import { FLOATS, trainingKernel } from './kernel.ts';

/** forward: x, matrix -> x matrix'; gradientInput: d, matrix -> d matrix; gradientMatrix: d, x -> d' x. */
export type ProductKind = 'forward' | 'gradientInput' | 'gradientMatrix';
export type ProductPrecision = 'f32' | 'f16';

export const PRODUCT_TILE = 64;
const DEPTH = 16;

/** Where an element lies, and which of its two directions is the one without gaps. */
const OPERANDS = {
  forward: { a: ['m * dims.c + k', 'k'], b: ['n * dims.c + k', 'k'] },
  gradientInput: { a: ['m * dims.c + k', 'k'], b: ['k * dims.b + n', 'n'] },
  gradientMatrix: { a: ['k * dims.a + m', 'm'], b: ['k * dims.b + n', 'n'] },
} as const;

/** `a`, `b` (and `bias` [n]) -> `out`. `dims`: m, n, k. */
export function productKernel(kind: ProductKind, precision: ProductPrecision, hasBias = false): KernelText {
  const { a, b } = OPERANDS[kind];
  const isHalf = precision === 'f16';
  return trainingKernel({
    label: `product ${kind} ${precision}${hasBias ? ' with bias' : ''}`,
    enable: isHalf ? 'enable f16;\n' : '',
    read: { a: FLOATS, b: FLOATS, ...(hasBias && { bias: FLOATS }) },
    write: { out: FLOATS },
    workgroup: 256,
    declarations: `var<workgroup> tile_a: array<${precision}, ${DEPTH * PRODUCT_TILE}>;
var<workgroup> tile_b: array<${precision}, ${DEPTH * PRODUCT_TILE}>;`,
    body: `  let tiles_n = (dims.b + ${PRODUCT_TILE - 1}u) / ${PRODUCT_TILE}u;
  let first_m = (group / tiles_n) * ${PRODUCT_TILE}u;
  let first_n = (group % tiles_n) * ${PRODUCT_TILE}u;
  if (first_m >= dims.a) { return; }
  let own_m = 4u * (local / 16u);
  let own_n = 4u * (local % 16u);
  var sums: array<vec4<f32>, 4>;
  for (var first_k = 0u; first_k < dims.c; first_k += ${DEPTH}u) {
    ${loadTile('a', 'm', 'dims.a', a, precision)}
    ${loadTile('b', 'n', 'dims.b', b, precision)}
    workgroupBarrier();
    for (var k = 0u; k < ${DEPTH}u; k++) {
      let at_a = k * ${PRODUCT_TILE}u + own_m;
      let at_b = k * ${PRODUCT_TILE}u + own_n;
      let right = vec4(f32(tile_b[at_b]), f32(tile_b[at_b + 1u]), f32(tile_b[at_b + 2u]), f32(tile_b[at_b + 3u]));
      for (var i = 0u; i < 4u; i++) { sums[i] += f32(tile_a[at_a + i]) * right; }
    }
    workgroupBarrier();
  }
  for (var i = 0u; i < 4u; i++) {
    for (var j = 0u; j < 4u; j++) {
      let m = first_m + own_m + i;
      let n = first_n + own_n + j;
      if (m < dims.a && n < dims.b) { out[m * dims.b + n] = sums[i][j]${hasBias ? ' + bias[n]' : ''}; }
    }
  }`,
  });
}

/** The workgroup brings 16 x 64 values; neighbours read neighbours. */
function loadTile(
  name: 'a' | 'b',
  axis: 'm' | 'n',
  end: string,
  [address, direction]: readonly [string, string],
  precision: ProductPrecision,
): string {
  const isAlongK = direction === 'k';
  return `for (var e = local; e < ${DEPTH * PRODUCT_TILE}u; e += 256u) {
      let own_k = ${isAlongK ? `e % ${DEPTH}u` : `e / ${PRODUCT_TILE}u`};
      let own = ${isAlongK ? `e / ${DEPTH}u` : `e % ${PRODUCT_TILE}u`};
      let k = first_k + own_k;
      let ${axis} = first_${axis} + own;
      var value = 0.0;
      if (k < dims.c && ${axis} < ${end}) { value = ${name}[${address}]; }
      tile_${name}[own_k * ${PRODUCT_TILE}u + own] = ${precision === 'f16' ? 'f16(value)' : 'value'};
    }`;
}
