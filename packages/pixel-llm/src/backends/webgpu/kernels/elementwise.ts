/** The ops that work value by value: sums, products, activations, gated activations. Four values an invocation. */
import { type DeviceTraits, declareBindings, grid, type Kernel, type KernelBinding, SIZES_WGSL } from './kernel.ts';

type ElementwiseOp = 'add' | 'mul' | 'scale' | 'silu' | 'gelu' | 'gatedSilu' | 'gatedGelu';

export interface ElementwiseSpec {
  readonly op: ElementwiseOp;
  /** Values a row. */
  readonly width: number;
  /** Of `scale`. */
  readonly factor?: number;
}

const FORMULAS: Readonly<Record<ElementwiseOp, string>> = {
  add: 'a + b',
  mul: 'a * b',
  scale: 'a * FACTOR',
  silu: 'silu(a)',
  gelu: 'gelu(a)',
  gatedSilu: 'silu(a) * b',
  gatedGelu: 'gelu(a) * b',
};

/** Exponents stay below 88, so that nothing overflows: WGSL does not promise what becomes of infinities. */
export const ACTIVATIONS_WGSL = `fn silu(x: vec4<f32>) -> vec4<f32> { return x / (1.0 + exp(min(-x, vec4(88.0)))); }
// 0.5 (1 + tanh u) = 1 / (1 + e^-2u): some drivers' tanh is not a number for a large u.
fn gelu(x: vec4<f32>) -> vec4<f32> {
  let u = 0.7978845608028654 * (x + 0.044715 * x * x * x);
  return x / (1.0 + exp(min(-2.0 * u, vec4(88.0))));
}`;

const WORKGROUP = 64;

/** `a` (and `b`) [rows, width] -> `out` [rows, width] */
export function elementwiseKernel({ op, width, factor = 1 }: ElementwiseSpec, traits: DeviceTraits): Kernel {
  const inputs = FORMULAS[op].includes('b') ? ['a', 'b'] : ['a'];
  const bindings: KernelBinding[] = [
    ...inputs.map((name) => ({ name, kind: 'read' }) as const),
    { name: 'out', kind: 'write' },
    { name: 'sizes', kind: 'uniform' },
  ];
  const values = 'array<vec4<f32>>';
  return {
    label: `${op} ${width}`,
    entryPoint: 'main',
    bindings,
    workgroups: ({ rows }) => grid(Math.ceil(Math.ceil((rows * width) / 4) / WORKGROUP), traits),
    code: `${SIZES_WGSL}
${declareBindings(bindings, { a: values, b: values, out: values, sizes: 'Sizes' })}
const WIDTH = ${width}u;
const FACTOR = ${wgslFloat(factor)};
${ACTIVATIONS_WGSL}
@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = (workgroup.x + workgroup.y * groups.x) * ${WORKGROUP}u + local;
  if (4u * i >= sizes.rows * WIDTH) { return; }
  let a = a[i];
  ${inputs.includes('b') ? 'let b = b[i];' : ''}
  out[i] = ${FORMULAS[op]};
}
`,
  };
}

/** `x` [rows, 2 width], gates and then ups -> `out` [rows, width]: act(gate) x up. One value an invocation. */
export function gatedHalvesKernel(
  { op, width }: { readonly op: 'gatedSilu' | 'gatedGelu'; readonly width: number },
  traits: DeviceTraits,
): Kernel {
  const bindings: KernelBinding[] = [
    { name: 'x', kind: 'read' },
    { name: 'out', kind: 'write' },
    { name: 'sizes', kind: 'uniform' },
  ];
  return {
    label: `${op} of halves ${width}`,
    entryPoint: 'main',
    bindings,
    workgroups: ({ rows }) => grid(Math.ceil((rows * width) / WORKGROUP), traits),
    code: `${SIZES_WGSL}
${declareBindings(bindings, { x: 'array<f32>', out: 'array<f32>', sizes: 'Sizes' })}
const WIDTH = ${width}u;
${ACTIVATIONS_WGSL}
@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = (workgroup.x + workgroup.y * groups.x) * ${WORKGROUP}u + local;
  if (i >= sizes.rows * WIDTH) { return; }
  let gate = (i / WIDTH) * 2u * WIDTH + i % WIDTH;
  let a = vec4(x[gate], 0.0, 0.0, 0.0);
  let b = vec4(x[gate + WIDTH], 0.0, 0.0, 0.0);
  out[i] = (${FORMULAS[op]}).x;
}
`,
  };
}

/** A number as an f32 literal. */
export function wgslFloat(value: number): string {
  const text = String(Math.fround(value));
  return /[.e]/.test(text) ? `${text}f` : `${text}.0f`;
}
