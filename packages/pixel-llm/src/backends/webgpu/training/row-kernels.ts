/** Ops that need a whole row or group of values: norms, softmax, the loss. Formulas: backends/reference/gradients/norms.ts and activations.ts. */
import type { KernelText } from '../kernels/kernel.ts';
import { eachRow, eachValue, FLOATS, INTEGERS, overRow } from './kernel.ts';

type NormKind = 'rms' | 'layer';

/** A group's mean and 1 / root. `dims`: groups, size, epsilon. */
function momentsOf(kind: NormKind): string {
  const mean = `var sum = 0.0;
  ${overRow('sum += x[start + i];')}
  let mean = workgroupSum(local, sum) / f32(dims.b);`;
  return `${kind === 'layer' ? mean : 'let mean = 0.0;'}
  var squares = 0.0;
  ${overRow('squares += (x[start + i] - mean) * (x[start + i] - mean);')}
  let factor = 1.0 / sqrt(workgroupSum(local, squares) / f32(dims.b) + dims.x);`;
}

/** `dims`: groups, size, epsilon. */
const NORMS = {
  rms: eachRow({
    label: 'rmsNorm',
    read: { x: FLOATS, gain: FLOATS },
    write: { out: FLOATS },
    body: `${momentsOf('rms')}
  ${overRow('out[start + i] = x[start + i] * factor * gain[i];')}`,
  }),
  layer: eachRow({
    label: 'layerNorm',
    read: { x: FLOATS, gain: FLOATS, bias: FLOATS },
    write: { out: FLOATS },
    body: `${momentsOf('layer')}
  ${overRow('out[start + i] = (x[start + i] - mean) * factor * gain[i] + bias[i];')}`,
  }),
} as const;

/** (mean, 1 / root) of each group. `dims`: groups, size, epsilon. */
const momentsKernel = (kind: NormKind): KernelText =>
  eachRow({
    label: `${kind}Norm, moments`,
    read: { x: FLOATS },
    write: { moments: 'array<vec2<f32>>' },
    body: `${momentsOf(kind)}
  if (local == 0u) { moments[group] = vec2(mean, factor); }`,
  });

/** `dims`: groups, size, epsilon. */
const gradientInput = (kind: NormKind): KernelText =>
  eachRow({
    label: `${kind}NormGradientInput`,
    read: { x: FLOATS, d: FLOATS, gain: FLOATS },
    write: { out: FLOATS },
    body: `${momentsOf(kind)}
  var all = 0.0;
  var along = 0.0;
  for (var i = local; i < dims.b; i += 64u) {
    let g = d[start + i] * gain[i];
    all += g;
    along += g * (x[start + i] - mean) * factor;
  }
  let mean_along = workgroupSum(local, along) / f32(dims.b);
  let mean_all = ${kind === 'layer' ? 'workgroupSum(local, all) / f32(dims.b)' : '0.0'};
  ${overRow('out[start + i] = (d[start + i] * gain[i] - mean_all - (x[start + i] - mean) * factor * mean_along) * factor;')}`,
  });

interface NormKernels {
  readonly forward: KernelText;
  readonly moments: KernelText;
  readonly gradientInput: KernelText;
}

export const NORM_KERNELS: Readonly<Record<NormKind, NormKernels>> = {
  rms: { forward: NORMS.rms, moments: momentsKernel('rms'), gradientInput: gradientInput('rms') },
  layer: { forward: NORMS.layer, moments: momentsKernel('layer'), gradientInput: gradientInput('layer') },
};

/** The sum over all groups of d times what was normalized. `dims`: size, groups. */
export const NORM_GRADIENT_GAIN: KernelText = eachValue({
  label: 'normGradientGain',
  read: { x: FLOATS, d: FLOATS, moments: 'array<vec2<f32>>' },
  write: { out: FLOATS },
  body: `var sum = 0.0;
  for (var g = 0u; g < dims.b; g++) {
    let at = g * dims.a + i;
    sum += d[at] * (x[at] - moments[g].x) * moments[g].y;
  }
  out[i] = sum;`,
});

const LOG_SUM_EXP = `var most = -3.4e38;
  ${overRow('most = max(most, x[start + i]);')}
  most = workgroupMax(local, most);
  var sum = 0.0;
  ${overRow('sum += exp(x[start + i] - most);')}
  let total = workgroupSum(local, sum);`;

/** `dims`: rows, width. */
export const SOFTMAX: KernelText = eachRow({
  label: 'softmax',
  read: { x: FLOATS },
  write: { out: FLOATS },
  body: `${LOG_SUM_EXP}
  ${overRow('out[start + i] = exp(x[start + i] - most) / total;')}`,
});

/** `dims`: rows, width. */
export const SOFTMAX_GRADIENT: KernelText = eachRow({
  label: 'softmaxGradient',
  read: { y: FLOATS, d: FLOATS },
  write: { out: FLOATS },
  body: `var sum = 0.0;
  ${overRow('sum += y[start + i] * d[start + i];')}
  let along = workgroupSum(local, sum);
  ${overRow('out[start + i] = y[start + i] * (d[start + i] - along);')}`,
});

/** `dims`: rows, width. */
export const CROSS_ENTROPY: KernelText = eachRow({
  label: 'crossEntropy',
  read: { x: FLOATS, targets: INTEGERS },
  write: { out: FLOATS },
  body: `${LOG_SUM_EXP}
  let goal = targets[group];
  if (local == 0u) { out[group] = select(0.0, most - x[start + u32(max(goal, 0))] + log(total), goal >= 0); }`,
});

/** Times `dims.x`. `dims`: rows, width. */
export const CROSS_ENTROPY_GRADIENT: KernelText = eachRow({
  label: 'crossEntropyGradient',
  read: { x: FLOATS, targets: INTEGERS, d: FLOATS },
  write: { out: FLOATS },
  body: `${LOG_SUM_EXP}
  let goal = targets[group];
  let factor = select(0.0, d[group] * dims.x, goal >= 0);
  ${overRow('out[start + i] = factor * (exp(x[start + i] - most) / total - select(0.0, 1.0, i32(i) == goal));')}`,
});
