/**
 * Sums over a workgroup: every invocation brings the same number of values, and the totals can be asked for. Three ways: few values with
 * subgroups (of any size, known only when the kernel runs), few values without (a tree), and so many values that an invocation may as well
 * add up one of them alone.
 */
import type { DeviceTraits } from './kernel.ts';

export interface WorkgroupSums {
  /** What stands before the shader's first declaration. */
  readonly enable: string;
  /** Further parameters of `main`. */
  readonly parameters: string;
  readonly declarations: string;
  /** Statements that all invocations run: brings `values` (WGSL expressions). */
  bring(values: readonly string[]): string;
  /** Once all was brought: the total of value `i`, for one invocation to ask. An expression. */
  total(i: string): string;
  /** Bytes of workgroup memory. */
  readonly sharedBytes: number;
}

/** `lane` is the name of the invocation's number. */
export function workgroupSums(values: number, lanes: number, lane: string, { subgroups }: DeviceTraits): WorkgroupSums {
  if (4 * values >= lanes) return oneByOne(values, lanes, lane);
  return subgroups ? bySubgroups(values, lanes, lane, subgroups.least) : byTree(values, lanes, lane);
}

function bySubgroups(count: number, lanes: number, lane: string, least: number): WorkgroupSums {
  const most = Math.max(1, Math.ceil(lanes / least));
  return {
    enable: 'enable subgroups;\n',
    parameters: ', @builtin(subgroup_size) subgroup_width: u32, @builtin(subgroup_invocation_id) subgroup_lane: u32',
    declarations: `var<workgroup> sums: array<f32, ${count * most}>;
var<workgroup> sum_parts: u32;
fn sum_of(i: u32) -> f32 {
  var total = 0.0;
  for (var part = 0u; part < sum_parts; part++) { total += sums[part * ${count}u + i]; }
  return total;
}`,
    bring: (values) =>
      [
        ...values.map((value, i) => `let total${i} = subgroupAdd(${value});`),
        'if (subgroup_lane == 0u) {',
        `  let part = (${lane} / subgroup_width) * ${count}u;`,
        ...values.map((_, i) => `  sums[part + ${i}u] = total${i};`),
        '}',
        `if (${lane} == 0u) { sum_parts = max(1u, ${lanes}u / subgroup_width); }`,
        'workgroupBarrier();',
      ].join('\n  '),
    total: (i) => `sum_of(${i})`,
    sharedBytes: 4 * (count * most + 1),
  };
}

function byTree(count: number, lanes: number, lane: string): WorkgroupSums {
  return {
    ...inMemory(count, lanes),
    declarations: `var<workgroup> sums: array<f32, ${count * lanes}>;`,
    bring: (values) =>
      [
        ...values.map((value, i) => `sums[${i * lanes}u + ${lane}] = ${value};`),
        `for (var width = ${lanes / 2}u; width > 0u; width >>= 1u) {`,
        '  workgroupBarrier();',
        `  if (${lane} < width) {`,
        `    for (var i = ${lane}; i < ${count * lanes}u; i += ${lanes}u) { sums[i] += sums[i + width]; }`,
        '  }',
        '}',
        'workgroupBarrier();',
      ].join('\n  '),
    total: (i) => `sums[${lanes}u * (${i})]`,
  };
}

/** Each value is added up by the one that asks for it, from a place of its own on, so that those who ask together hit different banks. */
function oneByOne(count: number, lanes: number, lane: string): WorkgroupSums {
  return {
    ...inMemory(count, lanes),
    declarations: `var<workgroup> sums: array<f32, ${count * lanes}>;
fn sum_of(i: u32) -> f32 {
  var total = 0.0;
  for (var n = 0u; n < ${lanes}u; n++) { total += sums[i * ${lanes}u + ((n + i) & ${lanes - 1}u)]; }
  return total;
}`,
    bring: (values) =>
      [...values.map((value, i) => `sums[${i * lanes}u + ${lane}] = ${value};`), 'workgroupBarrier();'].join('\n  '),
    total: (i) => `sum_of(${i})`,
  };
}

function inMemory(count: number, lanes: number): Pick<WorkgroupSums, 'enable' | 'parameters' | 'sharedBytes'> {
  return { enable: '', parameters: '', sharedBytes: 4 * count * lanes };
}
