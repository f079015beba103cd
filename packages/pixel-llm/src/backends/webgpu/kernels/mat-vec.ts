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
import { ACTIVATIONS_WGSL, wgslFloat } from './elementwise.ts';
import { type DeviceTraits, declareBindings, grid, type Kernel, type KernelBinding, SIZES_WGSL } from './kernel.ts';
import { WEIGHT_FUNCTIONS_WGSL, type WeightFormat, weightFormat } from './weight-formats.ts';
import { type WorkgroupSums, workgroupSums } from './workgroup-sums.ts';

interface ProductMatrix {
  /** Its planes are bound as `NAME.PLANE`. */
  readonly name: string;
  readonly type: string;
  readonly rows: number;
}

export interface MatVecSpec {
  /** Those of one type can as well be stacked into one, plane by plane, when they are uploaded: fewer bindings. */
  readonly matrices: readonly ProductMatrix[];
  readonly columns: number;
  /** The most rows of `x`: sizes.rows may be fewer. */
  readonly tokens: 1 | 2 | 4 | 8;
  /** `bias` [rows], added. */
  readonly bias?: boolean;
  /** `residual` [tokens, rows], added. */
  readonly residual?: boolean;
  /** x is rmsNorm'ed over all columns first, with `gain` [columns]. */
  readonly norm?: { readonly epsilon: number };
  /** The one matrix holds gates and, below them, as many ups: out = act(gate) x up, half as wide as the matrix is high. */
  readonly gate?: 'gatedSilu' | 'gatedGelu';
  /** Where these rows stand in a row of `out`, `bias` and `residual`, and how long that is: for a matrix that is bound part by part. */
  readonly out?: { readonly first: number; readonly width: number };
}

/** Rows of a workgroup. */
const ROWS = 4;
/** Invocations that should be under way in all: enough to hide memory's latency on a large GPU. */
const INVOCATIONS = 65_536;
const MOST_LANES = 128;

/** `x` [sizes.rows, columns] -> `out` [sizes.rows, rows of all matrices, or half of them with `gate`]. Throws `unsupported-type`. */
export function matVecKernel(spec: MatVecSpec, traits: DeviceTraits): Kernel {
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

interface Part {
  readonly name: string;
  readonly format: WeightFormat;
  /** Rows of the matrix; with `gate`, of each half. */
  readonly rows: number;
  /** Where its rows begin in `out`, and its workgroups among all. */
  readonly firstRow: number;
  readonly firstGroup: number;
  readonly groups: number;
}

interface Plan {
  readonly parts: readonly Part[];
  readonly lanes: number;
  readonly isStaged: boolean;
  /** Floats one by one: columns are no multiple of four. */
  readonly isSingle: boolean;
  readonly tileQuads: number;
  /** Two tiles, filled in turn: one barrier a run. */
  readonly tiles: 1 | 2;
  /** Variables that are summed over the workgroup: row by row for each token, then squares of each token. */
  readonly values: readonly string[];
  readonly sums: WorkgroupSums;
  readonly outRows: number;
  /** Rows of `out` of one workgroup. */
  readonly groupRows: number;
}

function planOf({ matrices, columns, tokens, norm, gate, out }: MatVecSpec, traits: DeviceTraits): Plan {
  const groupRows = gate ? ROWS / 2 : ROWS;
  const parts: Part[] = [];
  for (const { name, type, rows } of matrices) {
    const last = parts.at(-1);
    const ownRows = gate ? rows / 2 : rows;
    parts.push({
      name,
      format: weightFormat(type, columns),
      rows: ownRows,
      firstRow: last ? last.firstRow + last.rows : (out?.first ?? 0),
      firstGroup: last ? last.firstGroup + last.groups : 0,
      groups: Math.ceil(ownRows / groupRows),
    });
  }
  const isSingle = columns % 4 !== 0;
  const isStaged = parts.some(({ format }) => format.run > 8);
  const groups = parts.reduce((total, part) => total + part.groups, 0);
  const chunks = Math.max(...parts.map(({ format }) => columns / format.chunk));
  const most = Math.min(MOST_LANES, traits.maxInvocations, 256 / tokens);
  const lanes = Math.min(most, Math.max(32, Math.min(powerOfTwo(chunks), powerOfTwo(INVOCATIONS / groups))));
  const counted = Array.from({ length: tokens }, (_, t) => t);
  const values = [
    ...counted.flatMap((t) => Array.from({ length: ROWS }, (_, row) => `sum${row}_${t}`)),
    ...(norm ? counted.map((t) => `squares${t}`) : []),
  ];
  const sums = workgroupSums(values.length, lanes, 'lane', traits);
  const tile = lanes * 4 * tokens;
  const tiles = sums.sharedBytes + 2 * 16 * tile + 64 * parts.length <= traits.maxSharedBytes ? 2 : 1;
  return {
    ...{ parts, lanes, isStaged, isSingle, tiles, tileQuads: tiles * tile, values, sums, groupRows },
    outRows: out?.width ?? parts.reduce((total, part) => total + part.rows, 0),
  };
}

function powerOfTwo(least: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(1, least)));
}

function bindingsOf(
  { tokens, bias, residual, norm }: MatVecSpec,
  { parts, isSingle }: Plan,
): { bindings: KernelBinding[]; types: Record<string, string> } {
  const numbers = isSingle ? 'array<f32>' : 'array<vec4<f32>>';
  const declared: [name: string, kind: KernelBinding['kind'], type: string][] = [
    ['x', 'read', numbers],
    ...(norm ? [['gain', 'read', numbers] as [string, 'read', string]] : []),
    ...parts.flatMap(({ name, format }) =>
      Object.entries(format.planes).map(([plane, type]): [string, 'read', string] => [
        `${name}.${plane}`,
        'read',
        type,
      ]),
    ),
    ...(bias ? [['bias', 'read', 'array<f32>'] as [string, 'read', string]] : []),
    ...(residual ? [['residual', 'read', 'array<f32>'] as [string, 'read', string]] : []),
    ['out', 'write', 'array<f32>'],
    ...(tokens > 1 ? [['sizes', 'uniform', 'Sizes'] as [string, 'uniform', string]] : []),
  ];
  return {
    bindings: declared.map(([name, kind]) => ({ name, kind })),
    types: Object.fromEntries(declared.map(([name, , type]) => [name, type])),
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

/** The products of one chunk, run after run. Loops over runs and quads are for the driver to unroll; what lives in registers has names. */
function chunkText(spec: MatVecSpec, plan: Plan, part: Part): string {
  const { format } = part;
  const isStaged = format.run > 8;
  const quads = Math.max(1, format.run / 4);
  const reader: Reader = { spec, plan, part, isStaged, quads };
  const lines = [
    ...(isStaged ? stage(reader) : [`let at = ${inQuads(plan, format.column('c', 'r'))};`]),
    ...(spec.tokens === 1 && format.isScaled ? factoredProducts(reader) : decodedProducts(reader)),
  ];
  return `${counted('r', format.runs)}
        ${lines.join('\n        ')}
      }`;
}

interface Reader {
  readonly spec: MatVecSpec;
  readonly plan: Plan;
  readonly part: Part;
  readonly quads: number;
  /** Activations come through the tile. */
  readonly isStaged: boolean;
}

/** The head of a loop of so many turns. */
function counted(name: string, turns: number): string {
  return turns === 1 ? `{ const ${name} = 0u;` : `for (var ${name} = 0u; ${name} < ${turns}u; ${name}++) {`;
}

/** Columns as an index into `x` and `gain`. */
function inQuads({ isSingle }: Plan, columns: string): string {
  return isSingle ? columns : `(${columns}) >> 2u`;
}

const EACH_ROW: readonly number[] = Array.from({ length: ROWS }, (_, row) => row);

/** One token: quants first, factors once a run; the offset meets the sum of the activations. */
function factoredProducts(reader: Reader): string[] {
  const { name, format } = reader.part;
  return [
    `${EACH_ROW.map((row) => `var part${row} = 0.0;`).join(' ')}${format.hasOffset ? ' var total = vec4(0.0);' : ''}`,
    counted('j', reader.quads),
    ...readQuad(reader, 0).map((line) => `  ${line}`),
    ...(format.hasOffset ? ['  total += x0;'] : []),
    ...EACH_ROW.map((row) => `  part${row} = add_products(${name}_quad(k${row}, g${row}, r, j), x0, part${row});`),
    '}',
    ...(format.hasOffset ? ['let offset_by = dot(total, vec4(1.0));'] : []),
    ...EACH_ROW.map((row) => {
      const scaled = `f${row}.x * part${row}${format.hasOffset ? ` + f${row}.y * offset_by` : ''}`;
      return `let f${row} = ${name}_factor(k${row}, g${row}, r); sum${row}_0 += ${scaled};`;
    }),
  ];
}

/** Several tokens: a quad of weights is decoded once and multiplied with all of them. */
function decodedProducts(reader: Reader): string[] {
  const { name, format } = reader.part;
  const decode = (row: number): string => {
    const quad = `${name}_quad(k${row}, g${row}, r, j)`;
    return format.isScaled ? `f${row}.x * ${quad}${format.hasOffset ? ` + f${row}.y` : ''}` : quad;
  };
  return [
    ...(format.isScaled ? EACH_ROW.map((row) => `let f${row} = ${name}_factor(k${row}, g${row}, r);`) : []),
    counted('j', reader.quads),
    ...EACH_ROW.map((row) => `  let w${row} = ${decode(row)};`),
    ...Array.from({ length: reader.spec.tokens }, (_, t) => [
      ...readQuad(reader, t).map((line) => `  ${line}`),
      ...EACH_ROW.map((row) => `  sum${row}_${t} = add_products(w${row}, x${t}, sum${row}_${t});`),
    ]).flat(),
    '}',
  ];
}

/** Four activations of a token: quad j, as `xT`. */
function readQuad({ spec, plan, part, isStaged, quads }: Reader, t: number): string[] {
  if (isStaged) return [`let x${t} = tile[source + ${t * plan.lanes * quads}u + (j ^ swizzle)];`];
  const chunks = spec.columns / part.format.chunk;
  const read = (from: string, at: string): string =>
    plan.isSingle ? `vec4(${from}[${at}], 0.0, 0.0, 0.0)` : `${from}[${at}]`;
  const raw = `select(vec4(0.0), ${read('x', `${tokenStart(spec, plan, t)} + at + j`)}, own < ${chunks}u)`;
  if (!spec.norm) return [`let x${t} = ${raw};`];
  return [
    `let raw${t} = ${raw};`,
    `squares${t} = add_products(raw${t}, raw${t}, squares${t});`,
    `let x${t} = raw${t} * ${read('gain', 'at + j')};`,
  ];
}

/** Where a token's row begins in `x`. */
function tokenStart({ columns, tokens }: MatVecSpec, { isSingle }: Plan, t: number): string {
  const width = isSingle ? columns : columns / 4;
  return tokens === 1 ? '0u' : `min(${t}u, sizes.rows - 1u) * ${width}u`;
}

/**
 * All invocations' activations for one run, into the tile in the order of memory. Invocation l's quad j stands at 4 l + (j ^ (l / 2) % 4): any
 * eight neighbours reading the same j then touch all banks.
 */
function stage({ spec, plan, part, quads }: Reader): string[] {
  const { lanes, tileQuads, tiles } = plan;
  const { format } = part;
  const chunks = spec.columns / format.chunk;
  const tile = tiles === 2 ? `((strip * ${format.runs}u + r) & 1u) * ${tileQuads / 2}u` : '0u';
  const tokens = Array.from({ length: spec.tokens }, (_, t) => t);
  return [
    ...(tiles === 1 ? ['workgroupBarrier();'] : []),
    `let half = ${tile};`,
    `for (var i = lane; i < ${lanes * quads}u; i += ${lanes}u) {`,
    `  let neighbour = i / ${quads}u;`,
    `  let chunk = strip * ${lanes}u + neighbour;`,
    `  let to = half + neighbour * ${quads}u + ((i % ${quads}u) ^ ((neighbour >> 1u) & 3u));`,
    `  if (chunk < ${chunks}u) {`,
    `    let at = ((${format.column('chunk', 'r')}) >> 2u) + i % ${quads}u;`,
    ...(spec.norm ? ['    let by = gain[at];'] : []),
    ...tokens.flatMap((t) => [
      `    let raw${t} = x[${tokenStart(spec, plan, t)} + at];`,
      ...(spec.norm ? [`    squares${t} = add_products(raw${t}, raw${t}, squares${t});`] : []),
      `    tile[to + ${t * lanes * quads}u] = raw${t}${spec.norm ? ' * by' : ''};`,
    ]),
    '  } else {',
    ...tokens.map((t) => `    tile[to + ${t * lanes * quads}u] = vec4(0.0);`),
    '  }',
    '}',
    'workgroupBarrier();',
    `let source = half + lane * ${quads}u;`,
    'let swizzle = (lane >> 1u) & 3u;',
  ];
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

function labelOf({ matrices, columns, tokens, bias, residual, norm, gate }: MatVecSpec): string {
  const sizes = matrices.map(({ type, rows }) => `${type} ${rows}`).join(' and ');
  const extras = [norm && 'rmsNorm', bias && 'bias', gate, residual && 'residual']
    .filter(Boolean)
    .map((extra) => `, ${extra}`);
  return `product ${sizes} x ${columns}, ${tokens} tokens${extras.join('')}`;
}
