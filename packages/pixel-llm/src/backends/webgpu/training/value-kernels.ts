/** Ops that work value by value, forwards and backwards. Formulas: backends/reference/gradients/activations.ts. */
import type { KernelText } from '../kernels/kernel.ts';
import { eachValue, FLOATS, INTEGERS } from './kernel.ts';

/** Exponents stay below 88, so that nothing overflows: WGSL does not promise what becomes of infinities. */
const ACTIVATIONS_WGSL = `fn logistic(x: f32) -> f32 { return 1.0 / (1.0 + exp(min(-x, 88.0))); }
fn silu(x: f32) -> f32 { return x * logistic(x); }
fn silu_slope(x: f32) -> f32 { let s = logistic(x); return s + x * s * (1.0 - s); }
// (1 + tanh u) / 2 is the logistic function of 2u.
fn gelu(x: f32) -> f32 { return x * logistic(1.5957691216057308 * (x + 0.044715 * x * x * x)); }
fn gelu_slope(x: f32) -> f32 {
  let s = logistic(1.5957691216057308 * (x + 0.044715 * x * x * x));
  return s + 1.5957691216057308 * x * s * (1.0 - s) * (1.0 + 0.134145 * x * x);
}`;

const FORMULAS = {
  add: 'a[i] + b[i]',
  mul: 'a[i] * b[i]',
  scale: 'a[i] * dims.x',
  silu: 'silu(a[i])',
  gelu: 'gelu(a[i])',
  gatedSilu: 'silu(a[i]) * b[i]',
  gatedGelu: 'gelu(a[i]) * b[i]',
  siluGradient: 'silu_slope(a[i]) * b[i]',
  geluGradient: 'gelu_slope(a[i]) * b[i]',
  gatedSiluGradient: 'silu_slope(a[i]) * b[i] * c[i]',
  gatedGeluGradient: 'gelu_slope(a[i]) * b[i] * c[i]',
} as const;

/** `a`, `b`, `c` as many as the op reads, of `dims.a` values. */
export const VALUE_KERNELS: Readonly<Record<keyof typeof FORMULAS, KernelText>> = Object.fromEntries(
  Object.entries(FORMULAS).map(([op, formula]) => {
    const read = Object.fromEntries(
      ['a', 'b', 'c'].filter((name) => formula.includes(`${name}[i]`)).map((name) => [name, FLOATS]),
    );
    const declarations = ACTIVATIONS_WGSL;
    return [op, eachValue({ label: op, read, write: { out: FLOATS }, declarations, body: `out[i] = ${formula};` })];
  }),
) as Record<keyof typeof FORMULAS, KernelText>;

/** `dims`: values, width of a row of x, first column, columns. */
export const TAKE_COLUMNS: KernelText = eachValue({
  label: 'takeColumns',
  read: { x: FLOATS },
  write: { out: FLOATS },
  body: 'out[i] = x[(i / dims.d) * dims.b + dims.c + i % dims.d];',
});

/** `dims`: values, width. */
export const EMBED: KernelText = eachValue({
  label: 'embed',
  read: { ids: INTEGERS, table: FLOATS },
  write: { out: FLOATS },
  body: 'out[i] = table[u32(ids[i / dims.b]) * dims.b + i % dims.b];',
});

/** `dims`: values. */
export const ZEROS: KernelText = eachValue({ label: 'zeros', read: {}, write: { out: FLOATS }, body: 'out[i] = 0.0;' });

/** sum += x times `dims.x`. `dims`: values. */
export const ADD_TO: KernelText = eachValue({
  label: 'addTo',
  read: { x: FLOATS },
  write: { sum: FLOATS },
  body: 'sum[i] += x[i] * dims.x;',
});

/**
 * Each pair of a head turned by its angle, `angles` (cosine, sine) [tokens, pairs]; backwards with `dims.x` = -1.
 * `dims`: values, width, head size, pairs, 1 where the two of a pair are neighbours.
 */
export const ROPE: KernelText = eachValue({
  label: 'rope',
  read: { x: FLOATS, angles: 'array<vec2<f32>>' },
  write: { out: FLOATS },
  body: `let j = (i % dims.b) % dims.c;
  if (j >= 2u * dims.d) { out[i] = x[i]; return; }
  let adjacent = dims.e == 1u;
  let turn = angles[(i / dims.b) * dims.d + select(j % dims.d, j / 2u, adjacent)];
  let partner = select(dims.d, 1u, adjacent);
  let sine = turn.y * dims.x;
  if (select(j >= dims.d, j % 2u == 1u, adjacent)) { out[i] = x[i - partner] * sine + x[i] * turn.x; }
  else { out[i] = x[i] * turn.x - x[i + partner] * sine; }`,
});

/**
 * Each id's row of the table gets the sum of the rows of d where it stands, in their order: where it stands first, all are added up, so the work does not
 * depend on the vocabulary. Beside zeros. `dims`: values of d, width, tokens.
 */
export const EMBED_GRADIENT: KernelText = eachValue({
  label: 'embedGradient',
  read: { ids: INTEGERS, d: FLOATS },
  write: { out: FLOATS },
  body: `let token = i / dims.b;
  let id = ids[token];
  for (var t = 0u; t < token; t++) { if (ids[t] == id) { return; } }
  var sum = 0.0;
  for (var t = token; t < dims.c; t++) { if (ids[t] == id) { sum += d[t * dims.b + i % dims.b]; } }
  out[u32(id) * dims.b + i % dims.b] = sum;`,
});

/** The sum over all rows of a column. `dims`: columns, rows. */
export const SUM_ROWS: KernelText = eachValue({
  label: 'sumRows',
  read: { d: FLOATS },
  write: { out: FLOATS },
  body: `var sum = 0.0;
  for (var row = 0u; row < dims.b; row++) { sum += d[row * dims.a + i]; }
  out[i] = sum;`,
});
