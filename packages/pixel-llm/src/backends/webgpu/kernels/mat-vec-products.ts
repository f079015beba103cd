/** The inner part of products with few tokens: what an invocation does with its chunk of four rows. mat-vec.ts says why it is done so. */
import { type MatVecSpec, type Part, type Plan, ROWS } from './mat-vec-plan.ts';

/** The products of one chunk, run after run. Loops over runs and quads are for the driver to unroll; what lives in registers has names. */
export function chunkText(spec: MatVecSpec, plan: Plan, part: Part): string {
  const { format } = part;
  if (spec.activations === 'q8') return packedText(spec, part);
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

/**
 * Eight-bit activations: a run is one vec4 of packed integers, and its scale. Four products an instruction; sums of a run are exact. The
 * offset meets the sum of the integers.
 */
function packedText(spec: MatVecSpec, { name, format }: Part): string {
  const chunks = spec.columns / format.chunk;
  const tokens = Array.from({ length: spec.tokens }, (_, t) => t);
  const row = (t: number): string => (spec.tokens === 1 ? '0u' : `min(${t}u, sizes.rows - 1u)`);
  const words = 'xyzw';
  const dot = (a: (j: number) => string, b: (j: number) => string): string =>
    [0, 1, 2, 3].map((j) => `dot4I8Packed(${a(j)}, ${b(j)})`).join(' + ');
  return `for (var r = 0u; r < ${format.runs}u; r++) {
        let column = ${format.column('c', 'r')};
        ${EACH_ROW.map((i) => `let f${i} = ${name}_factor(k${i}, g${i}, r); let w${i} = vec4(${[0, 1, 2, 3].map((j) => `${name}_word(k${i}, g${i}, r, ${j}u)`).join(', ')});`).join('\n        ')}
        ${tokens
          .map((t) => {
            const sums = EACH_ROW.map((i) => {
              const products = dot(
                (j) => `w${i}.${words[j]}`,
                (j) => `x${t}.${words[j]}`,
              );
              const offset = format.hasOffset ? ` + f${i}.y * ones` : '';
              return `sum${i}_${t} += by * (f${i}.x * f32(${products})${offset});`;
            });
            return `{
          let x${t} = x[${row(t)} * ${spec.columns / 16}u + (column >> 4u)];
          let by = select(0.0, x_scales[${row(t)} * ${spec.columns / 32}u + (column >> 5u)], own < ${chunks}u);
          ${
            format.hasOffset
              ? `let ones = f32(${dot(
                  (j) => `x${t}.${words[j]}`,
                  () => '0x01010101u',
                )});`
              : ''
          }
          ${sums.join('\n          ')}
        }`;
          })
          .join('\n        ')}
      }`;
}
