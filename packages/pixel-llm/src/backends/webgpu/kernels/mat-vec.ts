/**
 * Products of a matrix with few rows of activations (1 to 8 tokens): decoding, speculation, small batches. Bound by reading weights: a
 * workgroup takes four rows of the matrix, an invocation the same chunk (16 bytes of the main plane) of each of them, so that 64 bytes an
 * invocation are under way at once; each weight is read once, whatever the number of tokens.
 *
 * Activations: an invocation's chunk lies 64 or 128 bytes from its neighbour's, which would cost a memory cycle an invocation. So they
 * pass through workgroup memory, a run at a time, read in order and swizzled so that neighbours hit different banks; the weights' loads are
 * issued before that, and arrive meanwhile. (Chunks of floats are narrow enough to do without.)
 *
 * What decoding fuses: matrices that share their input (their rows one below the other in `out`); rmsNorm before (sum of squares in the same
 * pass); bias, residual, or a gated activation behind.
 */
import { PixelError } from '../../../core/errors.ts';
import { ACTIVATIONS_WGSL, wgslFloat } from './elementwise.ts';
import { type DeviceTraits, declareBindings, grid, type Kernel, type KernelBinding, SIZES_WGSL } from './kernel.ts';
import { type MatVecSpec, type Part, type Plan, planOf, ROWS } from './mat-vec-plan.ts';
import { chunkText } from './mat-vec-products.ts';
import { WEIGHT_FUNCTIONS_WGSL, weightFormat } from './weight-formats.ts';

export type { MatVecSpec } from './mat-vec-plan.ts';

/** `x` [sizes.rows, columns] -> `out` [sizes.rows, rows of all matrices, or half of them with `gate`]. Throws `unsupported-type`. */
export function matVecKernel(spec: MatVecSpec, traits: DeviceTraits): Kernel {
  if (spec.activations === 'q8') checkPackable(spec);
  const plan = planOf(spec, traits);
  const { bindings, types } = bindingsOf(spec, plan);
  const groups = plan.parts.reduce((total, part) => total + part.groups, 0);
  return {
    label: labelOf(spec),
    entryPoint: 'main',
    bindings,
    workgroups: ({ rows }) => (rows > 0 ? grid(groups, traits) : [0, 0, 0]),
    code: `${plan.sums.enable}${SIZES_WGSL}
${declareBindings(bindings, types)}
${WEIGHT_FUNCTIONS_WGSL}
${plan.parts.map(({ name, format }) => format.wgsl(name)).join('\n')}
${spec.gate ? ACTIVATIONS_WGSL : ''}
${plan.isStaged ? `var<workgroup> tile: array<vec4<f32>, ${plan.tileQuads}>;` : ''}
${plan.sums.declarations}
fn add_products(a: vec4<f32>, b: vec4<f32>, sum: f32) -> f32 {
  return sum + a.x * b.x + a.y * b.y + a.z * b.z + a.w * b.w;
}
@compute @workgroup_size(${plan.lanes})
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32${plan.sums.parameters}) {
  let group = workgroup.x + workgroup.y * groups.x;
  if (group >= ${groups}u) { return; }
  ${plan.parts.map(({ name, format }) => format.setup(name, 'lane')).join('\n  ')}
  var first = 0u;
  ${plan.values.map((value) => `var ${value} = 0.0;`).join('\n  ')}
  ${plan.parts.map((part, i) => partText(spec, plan, part, i)).join(' else ')}
  ${plan.sums.bring(plan.values)}
  ${epilogue(spec, plan)}
}
`,
  };
}

/** Integers meet integers: types of levels and floats have none, and an activation's block of 32 has to be whole. */
function checkPackable({ matrices, columns, norm }: MatVecSpec): void {
  const fits = matrices.every(({ type }) => canMultiplyPacked(type, columns)) && norm === undefined;
  if (fits) return;
  const types = matrices.map(({ type }) => type).join(', ');
  throw new PixelError(
    'unsupported-type',
    `${types} weights of ${columns} columns have no product with packed activations.`,
  );
}

/** Whether `activations: q8` is to be had for such a matrix, on a device with `packedDot`. */
export function canMultiplyPacked(type: string, columns: number): boolean {
  if (columns % 32 !== 0) return false;
  const { bytes } = weightFormat(type, columns);
  return bytes === 'unsigned' || bytes === 'signed';
}

function bindingsOf(
  { tokens, bias, residual, norm, activations }: MatVecSpec,
  { parts, isSingle }: Plan,
): { bindings: KernelBinding[]; types: Record<string, string> } {
  const isPacked = activations === 'q8';
  const numbers = isSingle ? 'array<f32>' : 'array<vec4<f32>>';
  const given: [isThere: boolean, name: string, type: string][] = [
    [true, 'x', isPacked ? 'array<vec4<u32>>' : numbers],
    [isPacked, 'x_scales', 'array<f32>'],
    [norm !== undefined, 'gain', numbers],
    ...parts.flatMap(({ name, format }) =>
      Object.entries(format.planes).map(([plane, type]): [boolean, string, string] => [true, `${name}.${plane}`, type]),
    ),
    [bias === true, 'bias', 'array<f32>'],
    [residual === true, 'residual', 'array<f32>'],
  ];
  const read = given.filter(([isThere]) => isThere).map(([, name, type]) => ['read', name, type] as const);
  const declared = [...read, ['write', 'out', 'array<f32>'] as const, ['uniform', 'sizes', 'Sizes'] as const];
  const used = tokens > 1 ? declared : declared.slice(0, -1);
  return {
    bindings: used.map(([kind, name]) => ({ name, kind })),
    types: Object.fromEntries(used.map(([, name, type]) => [name, type])),
  };
}
/** One matrix: sums of its rows, for the workgroups that are its own. */
function partText(spec: MatVecSpec, plan: Plan, part: Part, index: number): string {
  const { name, format, rows, firstGroup, groups } = part;
  const isLast = index === plan.parts.length - 1;
  const chunks = spec.columns / format.chunk;
  const rowOf = (row: number): string =>
    spec.gate
      ? `min(row + ${row % plan.groupRows}u, ${rows - 1}u) + ${row < plan.groupRows ? 0 : rows}u`
      : `min(row + ${row}u, ${rows - 1}u)`;
  const each = <T>(text: (row: number) => T): T[] => Array.from({ length: ROWS }, (_, row) => text(row));
  return `${isLast ? '' : `if (group < ${firstGroup + groups}u) `}{
    let row = (group - ${firstGroup}u) * ${plan.groupRows}u;
    first = row + ${part.firstRow}u;
    ${each((row) => `let row${row} = (${rowOf(row)}) * ${chunks}u;`).join('\n    ')}
    for (var strip = 0u; strip < ${Math.ceil(chunks / plan.lanes)}u; strip++) {
      let own = strip * ${plan.lanes}u + lane;
      let c = min(own, ${chunks - 1}u);
      ${each((row) => `let g${row} = row${row} + c; let k${row} = ${name}_load(g${row});`).join('\n      ')}
      ${chunkText(spec, plan, part)}
    }
  }`;
}

/** What is done with the sums, one value an invocation. */
function epilogue({ columns, tokens, bias, residual, norm, gate }: MatVecSpec, plan: Plan): string {
  const { groupRows, sums, outRows, parts } = plan;
  const valueAt = (i: string): string => {
    const total = sums.total(i);
    if (!norm) return total;
    const squares = sums.total(`${ROWS * tokens}u + t`);
    return `${total} * inverseSqrt(${squares} / ${columns}.0 + ${wgslFloat(norm.epsilon)})`;
  };
  const lastRow = parts.map(
    ({ firstRow, firstGroup, groups, rows }) =>
      `select(0u, ${firstRow + rows}u, group >= ${firstGroup}u && group < ${firstGroup + groups}u)`,
  );
  const end = parts.length === 1 ? `${parts[0]!.firstRow + parts[0]!.rows}u` : lastRow.join(' + ');
  const activation = gate === 'gatedSilu' ? 'silu' : 'gelu';
  return [
    `if (lane < ${groupRows * tokens}u) {`,
    `    let t = lane / ${groupRows}u;`,
    `    let in_group = lane % ${groupRows}u;`,
    '    let at = first + in_group;',
    `    if (at < ${end}${tokens > 1 ? ' && t < sizes.rows' : ''}) {`,
    `      ${gate ? 'let gate' : 'var value'} = ${valueAt(`t * ${ROWS}u + in_group`)}${!gate && bias ? ' + bias[at]' : ''};`,
    ...(gate
      ? [
          `      let up = ${valueAt(`t * ${ROWS}u + in_group + ${groupRows}u`)};`,
          `      var value = ${activation}(vec4(gate)).x * up;`,
        ]
      : []),
    ...(residual ? [`      value += residual[t * ${outRows}u + at];`] : []),
    `      out[t * ${outRows}u + at] = value;`,
    '    }',
    '  }',
  ].join('\n');
}

function labelOf({ matrices, columns, tokens, bias, residual, norm, gate, activations }: MatVecSpec): string {
  const sizes = matrices.map(({ type, rows }) => `${type} ${rows}`).join(' and ');
  const extras = [activations === 'q8' && 'q8', norm && 'rmsNorm', bias && 'bias', gate, residual && 'residual']
    .filter(Boolean)
    .map((extra) => `, ${extra}`);
  return `product ${sizes} x ${columns}, ${tokens} tokens${extras.join('')}`;
}
