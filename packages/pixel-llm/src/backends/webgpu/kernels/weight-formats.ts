/**
 * How kernels read weights: every type that can be computed with, described once, as WGSL over its planes. Products with one token, with
 * several, with a prompt, and `embed` all decode through these functions.
 *
 * A **chunk** is what one invocation takes at a time: the weights of one aligned `vec4<u32>` of the type's main plane, so that neighbours
 * read neighbouring 16 bytes. A chunk is one or more **runs** of consecutive columns, cut into **quads** of four; the weights of a run have one
 * scale: weight = factor.x * quant + factor.y. In the text, `$` stands for the matrix's name: plane `qs` of `matrix` is `matrix_qs`,
 * and a format defines
 *
 *     struct $_Chunk                                       what was loaded, undecoded
 *     fn $_load(g: u32) -> $_Chunk                          chunk g of the matrix, counted from its first row on
 *     fn $_factor(k: $_Chunk, g: u32, r: u32) -> vec2<f32>  of run r; only if `isScaled`
 *     fn $_quad(k: $_Chunk, g: u32, r: u32, j: u32) -> vec4<f32>  four quants of run r, or the weights if there are no factors
 *     fn $_word(k: $_Chunk, g: u32, r: u32, j: u32) -> u32  the same as four bytes; only if `bytes` says of which kind
 *
 * Sources of the layouts: gguf/dequantize.ts and dequantize-k.ts, which libggml's own vectors prove.
 */
import { PixelError } from '../../../core/errors.ts';
import { IQ4_LEVELS, MXFP4_LEVELS } from '../../../gguf/levels.ts';

export interface WeightFormat {
  readonly type: string;
  /** Weights of a chunk. A row is a whole number of chunks. */
  readonly chunk: number;
  readonly runs: number;
  /** Columns of a run: 1, or a multiple of 4. */
  readonly run: number;
  /** False: `$_quad` gives the weights themselves. */
  readonly isScaled: boolean;
  /** False: factor.y is 0. */
  readonly hasOffset: boolean;
  /** What `$_word` gives. Levels are indices into `$_levels`, which `setup` fills. */
  readonly bytes?: 'unsigned' | 'signed' | 'levels';
  /** The planes that are read, and as what. */
  readonly planes: Readonly<Record<string, string>>;
  /** The first column of run `r` of chunk `c` of a row: a WGSL expression. */
  column(c: string, r: string): string;
  /** The other way: chunk and run of the `run` columns number `u` of a row. */
  place(u: string): { readonly chunk: string; readonly run: string };
  /** The functions above, for a matrix of that name. */
  wgsl(name: string): string;
  /** Statements that a workgroup runs first, all invocations together; empty, or ended by a barrier. */
  setup(name: string, lane: string): string;
}

interface Layout {
  readonly column: (c: string, r: string) => string;
  readonly place: (u: string) => { readonly chunk: string; readonly run: string };
}

/** One run a chunk. */
const straight = (run: number): Layout => ({
  column: (c) => `${run}u * ${c}`,
  place: (u) => ({ chunk: u, run: '0u' }),
});

/** Low halves are the first 16 of 32 weights, high halves the others. */
const HALVES: Layout = {
  column: (c, r) => `32u * ${c} + 16u * ${r}`,
  place: (u) => ({ chunk: `(${u} >> 1u)`, run: `(${u} & 1u)` }),
};

/** 64 weights are two chunks; low halves are the first 32, high halves the others. */
const PAIRS: Layout = {
  column: (c, r) => `64u * (${c} >> 1u) + 16u * (${c} & 1u) + 32u * ${r}`,
  place: (u) => ({ chunk: `(2u * (${u} >> 2u) + (${u} & 1u))`, run: `((${u} >> 1u) & 1u)` }),
};

/** 128 weights are four chunks, low and high halves 64 apart. */
const QUARTERS: Layout = {
  column: (c, r) => `128u * (${c} >> 2u) + 32u * ((${c} >> 1u) & 1u) + 16u * (${c} & 1u) + 64u * ${r}`,
  place: (u) => ({
    chunk: `(4u * (${u} >> 3u) + 2u * ((${u} >> 1u) & 1u) + (${u} & 1u))`,
    run: `((${u} >> 2u) & 1u)`,
  }),
};

/** 128 weights are two chunks of four runs, one for each pair of bits. */
const BIT_PAIRS: Layout = {
  column: (c, r) => `128u * (${c} >> 1u) + 16u * (${c} & 1u) + 32u * ${r}`,
  place: (u) => ({ chunk: `(2u * (${u} >> 3u) + (${u} & 1u))`, run: `((${u} >> 1u) & 3u)` }),
};

interface Description extends Partial<Pick<WeightFormat, 'bytes' | 'planes'>> {
  readonly chunk: number;
  readonly runs?: number;
  readonly layout?: Layout;
  readonly hasOffset?: boolean;
  readonly levels?: Int8Array;
  /** Fields of the chunk and what `load` puts there. */
  readonly fields: Readonly<Record<string, readonly [type: string, value: string]>>;
  readonly factor?: string;
  /** The quad of types without `word`. */
  readonly quad?: string;
  readonly word?: string;
}

const QUADS = 'array<vec4<u32>>';
const WORDS = 'array<u32>';
const NIBBLES = '(k.q[j] >> (4u * r)) & 0x0f0f0f0fu';
/** The half of that number in a plane of halves. */
const half = (plane: string, i: string): string => `half_at($_${plane}[(${i}) >> 1u], ${i})`;
/** Four bits, one to each byte. */
const spread = (bits: string): string => `(((${bits} & 15u) * 0x00204081u) & 0x01010101u)`;

const MAIN = { q: ['vec4<u32>', '$_qs[g]'] } as const;

/** Q4_K and Q5_K: sub-block s of eight; its 6-bit scale and minimum lie in the words x, y, z of k.s, the block's d and dmin in w. */
const SUB_SCALES = `let s = 2u * ((g >> 1u) & 3u) + r;
  let shift = 8u * (s & 3u);
  let low = k.s.x >> shift;
  let middle = k.s.y >> shift;
  let high = k.s.z >> shift;
  let scale = select((high & 15u) | ((low >> 2u) & 48u), low & 63u, s < 4u);
  let minimum = select(((high >> 4u) & 15u) | ((middle >> 2u) & 48u), middle & 63u, s < 4u);
  let dm = unpack2x16float(k.s.w);
  return vec2(dm.x * f32(scale), -dm.y * f32(minimum));`;

const K_SCALES = (perBlock: number): readonly [string, string] => [
  'vec4<u32>',
  `vec4($_sc[3u * (g / ${perBlock}u)], $_sc[3u * (g / ${perBlock}u) + 1u], $_sc[3u * (g / ${perBlock}u) + 2u], $_dm[g / ${perBlock}u])`,
];

const DESCRIPTIONS: Readonly<Record<string, Description>> = {
  F32: { chunk: 4, planes: { v: QUADS }, fields: { q: ['vec4<u32>', '$_v[g]'] }, quad: 'bitcast<vec4<f32>>(k.q)' },
  F16: {
    chunk: 8,
    planes: { v: QUADS },
    fields: { q: ['vec4<u32>', '$_v[g]'] },
    quad: 'vec4(unpack2x16float(k.q[2u * j]), unpack2x16float(k.q[2u * j + 1u]))',
  },
  BF16: {
    chunk: 8,
    planes: { v: QUADS },
    fields: { q: ['vec4<u32>', '$_v[g]'] },
    quad: 'bitcast<vec4<f32>>(vec4(k.q[2u * j] << 16u, k.q[2u * j] & 0xffff0000u, k.q[2u * j + 1u] << 16u, k.q[2u * j + 1u] & 0xffff0000u))',
  },
  Q8_0: {
    chunk: 16,
    planes: { qs: QUADS, d: WORDS },
    fields: { ...MAIN, d: ['f32', half('d', '(g >> 1u)')] },
    factor: 'return vec2(k.d, 0.0);',
    bytes: 'signed',
    word: 'k.q[j]',
  },
  Q4_0: {
    chunk: 32,
    runs: 2,
    layout: HALVES,
    planes: { qs: QUADS, d: WORDS },
    fields: { ...MAIN, d: ['f32', half('d', 'g')] },
    hasOffset: true,
    factor: 'return vec2(k.d, -8.0 * k.d);',
    bytes: 'unsigned',
    word: NIBBLES,
  },
  Q4_1: {
    chunk: 32,
    runs: 2,
    layout: HALVES,
    planes: { qs: QUADS, dm: WORDS },
    fields: { ...MAIN, dm: ['u32', '$_dm[g]'] },
    hasOffset: true,
    factor: 'return unpack2x16float(k.dm);',
    bytes: 'unsigned',
    word: NIBBLES,
  },
  Q5_0: {
    chunk: 32,
    runs: 2,
    layout: HALVES,
    planes: { qs: QUADS, qh: WORDS, d: WORDS },
    fields: { ...MAIN, h: ['u32', '$_qh[g]'], d: ['f32', half('d', 'g')] },
    hasOffset: true,
    factor: 'return vec2(k.d, -16.0 * k.d);',
    bytes: 'unsigned',
    word: `(${NIBBLES}) | (${spread('(k.h >> (16u * r + 4u * j))')} << 4u)`,
  },
  Q5_1: {
    chunk: 32,
    runs: 2,
    layout: HALVES,
    planes: { qs: QUADS, dm: WORDS, qh: WORDS },
    fields: { ...MAIN, h: ['u32', '$_qh[g]'], dm: ['u32', '$_dm[g]'] },
    hasOffset: true,
    factor: 'return unpack2x16float(k.dm);',
    bytes: 'unsigned',
    word: `(${NIBBLES}) | (${spread('(k.h >> (16u * r + 4u * j))')} << 4u)`,
  },
  IQ4_NL: {
    chunk: 32,
    runs: 2,
    layout: HALVES,
    planes: { qs: QUADS, d: WORDS },
    fields: { ...MAIN, d: ['f32', half('d', 'g')] },
    factor: 'return vec2(k.d, 0.0);',
    levels: IQ4_LEVELS,
    word: NIBBLES,
  },
  MXFP4: {
    chunk: 32,
    runs: 2,
    layout: HALVES,
    planes: { qs: QUADS, e: WORDS },
    fields: { ...MAIN, e: ['u32', '($_e[g >> 2u] >> (8u * (g & 3u))) & 255u'] },
    // 2^(e - 128): levels are twice the numbers. What would be a denormal is zero.
    factor: 'return vec2(bitcast<f32>((max(k.e, 1u) - 1u) << 23u), 0.0);',
    levels: MXFP4_LEVELS,
    word: NIBBLES,
  },
  IQ4_XS: {
    chunk: 32,
    runs: 2,
    layout: HALVES,
    planes: { qs: QUADS, sl: WORDS, sh: WORDS, d: WORDS },
    fields: {
      ...MAIN,
      low: ['u32', '$_sl[g >> 3u] >> (4u * (g & 7u))'],
      high: ['u32', '$_sh[g >> 4u] >> (16u * ((g >> 3u) & 1u) + 2u * (g & 7u))'],
      d: ['f32', half('d', '(g >> 3u)')],
    },
    factor: 'return vec2(k.d * (f32((k.low & 15u) | ((k.high & 3u) << 4u)) - 32.0), 0.0);',
    levels: IQ4_LEVELS,
    word: NIBBLES,
  },
  Q4_K: {
    chunk: 32,
    runs: 2,
    layout: PAIRS,
    planes: { qs: QUADS, sc: WORDS, dm: WORDS },
    fields: { ...MAIN, s: K_SCALES(8) },
    hasOffset: true,
    factor: SUB_SCALES,
    bytes: 'unsigned',
    word: NIBBLES,
  },
  Q5_K: {
    chunk: 32,
    runs: 2,
    layout: PAIRS,
    planes: { qs: QUADS, qh: QUADS, sc: WORDS, dm: WORDS },
    fields: { ...MAIN, h: ['vec4<u32>', '$_qh[2u * (g >> 3u) + (g & 1u)]'], s: K_SCALES(8) },
    hasOffset: true,
    factor: SUB_SCALES,
    bytes: 'unsigned',
    word: `(${NIBBLES}) | (((k.h[j] >> (2u * ((g >> 1u) & 3u) + r)) & 0x01010101u) << 4u)`,
  },
  Q6_K: {
    chunk: 32,
    runs: 2,
    layout: QUARTERS,
    planes: { ql: QUADS, qh: QUADS, sc: WORDS, d: WORDS },
    // Chunk i of a block's eight holds, of its half i / 4, quarter (i / 2) % 2 in the low and the second next in the high halves.
    fields: {
      q: ['vec4<u32>', '$_ql[g]'],
      h: ['vec4<u32>', '$_qh[4u * (g >> 3u) + 2u * ((g >> 2u) & 1u) + (g & 1u)]'],
      s: [
        'vec2<u32>',
        'vec2($_sc[4u * (g >> 3u) + 2u * ((g >> 2u) & 1u)], $_sc[4u * (g >> 3u) + 2u * ((g >> 2u) & 1u) + 1u])',
      ],
      d: ['f32', half('d', '(g >> 3u)')],
    },
    hasOffset: true,
    factor: `let scale = k.d * f32(bitcast<i32>(k.s[r] << (24u - 8u * (g & 3u))) >> 24u);
  return vec2(scale, -32.0 * scale);`,
    bytes: 'unsigned',
    word: `(${NIBBLES}) | (((k.h[j] >> (2u * ((g >> 1u) & 1u) + 4u * r)) & 0x03030303u) << 4u)`,
  },
  Q2_K: {
    chunk: 64,
    runs: 4,
    layout: BIT_PAIRS,
    planes: { qs: QUADS, sc: WORDS, dm: WORDS },
    fields: {
      ...MAIN,
      s: ['vec2<u32>', 'vec2($_sc[2u * (g >> 1u)], $_sc[2u * (g >> 1u) + 1u])'],
      dm: ['u32', '$_dm[g >> 2u]'],
    },
    hasOffset: true,
    factor: `let packed = k.s[r >> 1u] >> (16u * (r & 1u) + 8u * (g & 1u));
  let dm = unpack2x16float(k.dm);
  return vec2(dm.x * f32(packed & 15u), -dm.y * f32((packed >> 4u) & 15u));`,
    bytes: 'unsigned',
    word: '(k.q[j] >> (2u * r)) & 0x03030303u',
  },
  Q3_K: {
    chunk: 64,
    runs: 4,
    layout: BIT_PAIRS,
    planes: { qs: QUADS, hm: QUADS, sc: WORDS, d: WORDS },
    fields: {
      ...MAIN,
      h: ['vec4<u32>', '$_hm[2u * (g >> 2u) + (g & 1u)]'],
      s: ['vec3<u32>', 'vec3($_sc[3u * (g >> 2u)], $_sc[3u * (g >> 2u) + 1u], $_sc[3u * (g >> 2u) + 2u])'],
      d: ['f32', half('d', '(g >> 2u)')],
    },
    hasOffset: true,
    // Of the block's 16 sub-blocks, this is 8 * upper + byte: its low four bits lie in that byte's low or high half.
    factor: `let upper = (g >> 1u) & 1u;
  let byte = 2u * r + (g & 1u);
  let low = (k.s[byte >> 2u] >> (8u * (byte & 3u) + 4u * upper)) & 15u;
  let high = (k.s.z >> (8u * (byte & 3u) + 4u * upper + 2u * (byte >> 2u))) & 3u;
  let scale = k.d * (f32(low | (high << 4u)) - 32.0);
  return vec2(scale, -4.0 * scale);`,
    bytes: 'unsigned',
    word: '((k.q[j] >> (2u * r)) & 0x03030303u) | (((k.h[j] >> (4u * ((g >> 1u) & 1u) + r)) & 0x01010101u) << 2u)',
  },
};

/** Floats whose rows are no multiple of 16 bytes, one by one. */
const SINGLE: Readonly<Record<string, Description>> = {
  F32: {
    chunk: 1,
    planes: { v: WORDS },
    fields: { q: ['u32', '$_v[g]'] },
    quad: 'vec4(bitcast<f32>(k.q), 0.0, 0.0, 0.0)',
  },
  F16: { chunk: 1, planes: { v: WORDS }, fields: { q: ['f32', half('v', 'g')] }, quad: 'vec4(k.q, 0.0, 0.0, 0.0)' },
  BF16: {
    chunk: 1,
    planes: { v: WORDS },
    fields: { q: ['u32', '($_v[g >> 1u] >> (16u * (g & 1u))) << 16u'] },
    quad: 'vec4(bitcast<f32>(k.q), 0.0, 0.0, 0.0)',
  },
};

/** The types that kernels can read. */
export const KERNEL_WEIGHT_TYPES: readonly string[] = Object.keys(DESCRIPTIONS);

/** What formats call; once a kernel. */
export const WEIGHT_FUNCTIONS_WGSL = `fn half_at(word: u32, i: u32) -> f32 { return unpack2x16float(word >> (16u * (i & 1u))).x; }
fn unsigned_bytes(word: u32) -> vec4<f32> { return vec4<f32>((vec4(word) >> vec4(0u, 8u, 16u, 24u)) & vec4(255u)); }
fn signed_bytes(word: u32) -> vec4<f32> { return vec4<f32>(bitcast<vec4<i32>>(vec4(word) << vec4(24u, 16u, 8u, 0u)) >> vec4(24u)); }
`;

/** Whether there is a format for rows of `columns` weights of that type. */
export function canReadWeights(type: string, columns: number): boolean {
  const described = Object.hasOwn(DESCRIPTIONS, type) ? DESCRIPTIONS[type] : undefined;
  return described !== undefined && (columns % described.chunk === 0 || Object.hasOwn(SINGLE, type));
}

/** How to read rows of `columns` weights of that type. Throws `unsupported-type`. */
export function weightFormat(type: string, columns: number): WeightFormat {
  const described = Object.hasOwn(DESCRIPTIONS, type) ? DESCRIPTIONS[type] : undefined;
  const description = described && columns % described.chunk !== 0 ? SINGLE[type] : described;
  if (!description) {
    throw new PixelError(
      'unsupported-type',
      `Rows of ${columns} weights of the type ${type} cannot be computed with on a GPU.`,
    );
  }
  const { chunk, runs = 1, layout = straight(chunk), planes = {}, bytes, levels } = description;
  return {
    type,
    chunk,
    runs,
    run: chunk / runs,
    isScaled: description.factor !== undefined,
    hasOffset: description.hasOffset ?? false,
    ...(levels ? { bytes: 'levels' } : bytes ? { bytes } : {}),
    planes,
    column: layout.column,
    place: layout.place,
    wgsl: (name) => functionsOf(description).replaceAll('$', name),
    setup: (name, lane) =>
      levels
        ? `if (${lane} < 16u) { ${name}_levels[${lane}] = ${levelList(levels)}[${lane}]; }\n  workgroupBarrier();`
        : '',
  };
}

function functionsOf({ fields, factor, word, quad, bytes, levels }: Description): string {
  const members = Object.entries(fields).map(([field, [type]]) => `${field}: ${type}`);
  const values = Object.values(fields).map(([, value]) => value);
  const parameters = 'k: $_Chunk, g: u32, r: u32, j: u32';
  return [
    `struct $_Chunk { ${members.join(', ')} }`,
    `fn $_load(g: u32) -> $_Chunk { return $_Chunk(${values.join(', ')}); }`,
    ...(factor ? [`fn $_factor(k: $_Chunk, g: u32, r: u32) -> vec2<f32> {\n  ${factor}\n}`] : []),
    ...(word ? [`fn $_word(${parameters}) -> u32 { return ${word}; }`] : []),
    ...(levels ? ['var<workgroup> $_levels: array<f32, 16>;'] : []),
    `fn $_quad(${parameters}) -> vec4<f32> { ${quadBody(quad, bytes)} }`,
  ].join('\n');
}

function quadBody(quad: string | undefined, bytes: Description['bytes']): string {
  if (quad) return `return ${quad};`;
  if (bytes) return `return ${bytes}_bytes($_word(k, g, r, j));`;
  const level = (shift: number): string => `$_levels[(w >> ${shift}u) & 15u]`;
  return `let w = $_word(k, g, r, j); return vec4(${[0, 8, 16, 24].map(level).join(', ')});`;
}

function levelList(levels: Int8Array): string {
  return `array<f32, 16>(${Array.from(levels, (level) => `${level}.0`).join(', ')})`;
}
