/**
 * What the kernels of attention have in common, as text: a *row* is one query head of one entry; 64 invocations, a *slice* of the workgroup, go over 64 positions
 * at a time with up to eight rows. Variables that the text stands among: `lane` (in the slice), `own` (the slice's first row, a multiple of eight),
 * `soft_row` and `soft_lane` (eight invocations a row), `list` (where the page list begins), `kv_head`, `tile` and `end` (positions).
 */
import { wgslFloat } from './elementwise.ts';
import { headStride, type KvLayout } from './kv-layout.ts';

/** Invocations of a slice, and positions at a time. */
export const LANES = 64;
/** Rows of a slice. */
export const MOST_ROWS = 8;
/** Below every score. */
export const LEAST = '-3.0e38';

export interface RowShape {
  /** vec4 of a head. */
  readonly quads: number;
  /** Quads that an invocation owns, and how many invocations share each, by position. */
  readonly owned: number;
  readonly sharers: number;
}

export function rowShape(layout: KvLayout): RowShape {
  const quads = headStride(layout) / 4;
  return { quads, owned: Math.ceil(quads / LANES), sharers: Math.max(1, Math.floor(LANES / quads)) };
}

/** Bytes of `rowVariables`. */
export function rowBytes({ owned, sharers }: RowShape, slices: number): number {
  const words = MOST_ROWS * LANES + LANES + MOST_ROWS;
  return slices * (4 * words + (sharers > 1 ? 16 * LANES * owned : 0));
}

/** What rows keep in workgroup memory. */
export function rowVariables({ owned, sharers }: RowShape, slices: number): string {
  return `var<workgroup> scores: array<f32, ${slices * MOST_ROWS * LANES}>;
var<workgroup> parts: array<f32, ${slices * LANES}>;
var<workgroup> kept: array<f32, ${slices * MOST_ROWS}>;
${sharers > 1 ? `var<workgroup> shares: array<vec4<f32>, ${slices * LANES * owned}>;` : ''}`;
}

/** Texts of `count` things, one below the other. */
export function each(count: number, text: (i: number) => string, joint = '\n  '): string {
  return Array.from({ length: count }, (_, i) => text(i)).join(joint);
}

/** WGSL's type of four dimensions in the cache. */
export function rawQuad(type: KvLayout['type']): string {
  return type === 'f16' ? 'vec2<u32>' : 'vec4<f32>';
}

/** Functions that find a position's place, and unpack four dimensions. */
export function cacheText({ type, pageTokens }: KvLayout): string {
  const unpacked = type === 'f16' ? 'vec4(unpack2x16float(raw.x), unpack2x16float(raw.y))' : 'raw';
  return `fn quad_of(raw: ${rawQuad(type)}) -> vec4<f32> { return ${unpacked}; }
fn place_of(list: u32, position: u32) -> u32 {
  return pages[list + position / ${pageTokens}u] * ${pageTokens}u + position % ${pageTokens}u;
}`;
}

/** tanh by way of exp: some drivers' is not a number far from zero. */
export function scoreOf(score: string, softcap: number | undefined): string {
  if (softcap === undefined) return score;
  const cap = wgslFloat(softcap);
  return `${cap} * (1.0 - 2.0 / (1.0 + exp(2.0 * clamp(${score} / ${cap}, -15.0, 15.0))))`;
}

/** What a row is begun with: `largest` score and `total` weight of row `soft_row`, sums of all rows. */
export function beginRows(rows: number, { owned }: RowShape): string {
  return `var largest = ${LEAST};
  var total = 0.0;
  ${each(rows, (row) => each(owned, (n) => `var sum${row}_${n} = vec4(0.0);`, ' '))}
  let soft_row = lane / 8u;
  let soft_lane = lane % 8u;`;
}

/** From the tile's scores to weights; what was summed up so far shrinks. `isSeen`: whether row `soft_row` sees position `tile + i`. */
export function softmaxText(rows: number, { owned }: RowShape, isSeen: string): string {
  return `var highest = ${LEAST};
    for (var i = soft_lane; i < ${LANES}u; i += 8u) { highest = max(highest, scores[(own + soft_row) * ${LANES}u + i]); }
    parts[own * 8u + lane] = highest;
    workgroupBarrier();
    var next = largest;
    for (var i = 0u; i < 8u; i++) { next = max(next, parts[(own + soft_row) * 8u + i]); }
    let shrink = exp(largest - next);
    largest = next;
    var weights = 0.0;
    for (var i = soft_lane; i < ${LANES}u; i += 8u) {
      let at = (own + soft_row) * ${LANES}u + i;
      let weight = select(0.0, exp(scores[at] - next), ${isSeen});
      scores[at] = weight;
      weights += weight;
    }
    workgroupBarrier();
    parts[own * 8u + lane] = weights;
    if (soft_lane == 0u) { kept[own + soft_row] = shrink; }
    workgroupBarrier();
    total *= shrink;
    for (var i = 0u; i < 8u; i++) { total += parts[(own + soft_row) * 8u + i]; }
    ${each(rows, (row) => each(owned, (n) => `sum${row}_${n} *= kept[own + ${row}u];`, ' '))}`;
}

/** Adds the tile's values, by weight, to the sums of the invocation's quads: neighbours read side by side. */
export function valuesText(rows: number, { kvHeads }: KvLayout, { quads, owned, sharers }: RowShape): string {
  const adds = (n: number): string =>
    `{
        let quad = ${owned === 1 ? `lane % ${quads}u` : `lane + ${n * LANES}u`};
        ${owned === 1 ? '' : `if (quad < ${quads}u) {`}
        let value = quad_of(values[at + quad]);
        ${each(rows, (row) => `sum${row}_${n} += scores[(own + ${row}u) * ${LANES}u + i] * value;`, ' ')}
        ${owned === 1 ? '' : '}'}
      }`;
  return `let stop = min(${LANES}u, end - tile);
    for (var i = lane / ${Math.min(quads, LANES)}u; i < stop; i += ${sharers}u) {
      ${sharers * quads < LANES && owned === 1 ? `if (lane >= ${sharers * quads}u) { break; }` : ''}
      let at = place_of(list, tile + i) * ${kvHeads * quads}u + kv_head * ${quads}u;
      ${each(owned, adds, '\n      ')}
    }`;
}

/** Joins what the sharers of a quad have; `write` says where `four`, the sum of `quad`, goes, if `isThere`. */
export function writeRow(row: number, shape: RowShape, isThere: string, write: string): string {
  const { quads, owned, sharers } = shape;
  const share = sharers > 1;
  const gather = `${share ? `shares[own * 8u + lane] = sum${row}_0;\n    workgroupBarrier();\n    ` : ''}`;
  const writeQuad = (n: number): string => {
    const sum = share
      ? `var four = shares[own * 8u + quad];
        for (var i = 1u; i < ${sharers}u; i++) { four += shares[own * 8u + quad + i * ${quads}u]; }`
      : `let four = sum${row}_${n};`;
    return `{
      let quad = lane + ${n * LANES}u;
      if (quad < ${quads}u && ${isThere}) {
        ${sum}
        ${write}
      }
    }`;
  };
  return `{
    ${gather}${each(owned, writeQuad, '\n    ')}
    ${share ? 'workgroupBarrier();' : ''}
  }`;
}

/** Writes `four` of a row that is whole: the dimensions that there are, by the row's total weight in `kept`. */
export function outWrite(headDim: number, headIndex: string, row: number): string {
  return `let to = (${headIndex}) * ${headDim}u;
        for (var d = 0u; d < 4u; d++) { if (4u * quad + d < ${headDim}u) { out[to + 4u * quad + d] = four[d] / kept[own + ${row}u]; } }`;
}
