/**
 * Random weights of sane scale, made directly in each stored type: for quantized types the bits of the blocks come out of the
 * generator, nothing is rounded. They have what real weights have and pure noise lacks: rows and columns of their own strength,
 * a few of them much stronger.
 *
 * The generator is counter-based: a weight depends on the seed, the tensor's name and its place, never on what was made before.
 */
import { PixelError } from '../../core/errors.ts';
import { floatToBfloat16, floatToHalf } from '../../gguf/half.ts';
import type { TensorType } from '../../gguf/tensor-types.ts';

/** How a tensor's weights are spread: `mean` plus Gaussian noise of standard deviation `deviation` (cut off at 2.9 of them). */
export interface WeightSpread {
  readonly mean: number;
  readonly deviation: number;
}

/** What makes a tensor's weights its own. */
export interface TensorSeed {
  readonly key: number;
  /** Strength of each column: an index into STRENGTHS. */
  readonly columnLevels: Uint8Array;
}

/** Of columns, from outliers to the ordinary. */
const STRENGTHS = [1, 0.5, 0.4, 0.32] as const;
const ORDINARY = 0.4;
/** The largest of 256 equally likely values of a Gaussian, in standard deviations. */
const CUT = 2.886;

type FillBlock = (
  view: DataView,
  at: number,
  random: RandomWords,
  levels: Uint8Array,
  column: number,
  step: number,
) => void;

export function tensorSeed(seed: number, name: string, columns: number): TensorSeed {
  let key = mix(seed ^ 0x5bd1e995);
  for (let i = 0; i < name.length; i++) key = mix(key ^ name.charCodeAt(i));
  const random = new RandomWords(mix(key ^ 0x2545f491), 0);
  const columnLevels = new Uint8Array(columns);
  for (let column = 0; column < columns; column++) {
    const draw = random.next() >>> 24;
    columnLevels[column] = draw < 3 ? 0 : 1 + (draw % 3);
  }
  return { key, columnLevels };
}

/**
 * Rows [rowStart, rowStart + rows) of a tensor as bytes of its type. Throws `unsupported-type` for a type that `make-model` does not make.
 */
export function randomRows(
  type: TensorType,
  seed: TensorSeed,
  spread: WeightSpread,
  rowStart: number,
  rows: number,
): Uint8Array<ArrayBuffer> {
  const columns = seed.columnLevels.length;
  const blocks = columns / type.blockElements;
  const bytes = new Uint8Array(rows * blocks * type.blockBytes);
  const view = new DataView(bytes.buffer);
  const float = FLOATS[type.name];
  const fill = float ? undefined : BLOCKS[type.name];
  if (!float && !fill) throw new PixelError('unsupported-type', `Random weights cannot be made as ${type.name}.`);
  for (let row = 0; row < rows; row++) {
    const at = row * blocks * type.blockBytes;
    const random = new RandomWords(seed.key, rowStart + row);
    const deviation = spread.deviation * rowStrength(seed.key, rowStart + row);
    if (float) fillFloats(view, at, random, seed.columnLevels, { ...spread, deviation }, float, type.blockBytes);
    // One step of the generator's values at full strength; quantized tensors have no mean.
    const step = (deviation / ORDINARY) * CUT;
    for (let block = 0; fill && block < blocks; block++) {
      fill(view, at + block * type.blockBytes, random, seed.columnLevels, block * type.blockElements, step);
    }
  }
  return bytes;
}

/** Neighbouring rows (a part of a head) share a strength; one row in a hundred is an outlier. */
function rowStrength(key: number, row: number): number {
  const own = mix(mix(row + 0x51ed270b) ^ key);
  const group = mix(mix((row >>> 4) + 0x1b873593) ^ key);
  const outlier = own >>> 25 === 0 ? 1.8 : 1;
  return (0.75 + 0.4 * ((group >>> 8) / 0x1000000) + 0.1 * ((own & 0xffff) / 0x10000)) * outlier;
}

/** 32-bit finalizer with good avalanche (C. Wellons, "lowbias32"). */
function mix(value: number): number {
  let x = value;
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
  return x ^ (x >>> 16);
}

/** A stream of 32-bit words, one stream a row. */
class RandomWords {
  readonly #key: number;
  #counter: number;

  constructor(key: number, row: number) {
    this.#key = mix(mix(row) ^ key);
    this.#counter = 0;
  }

  next(): number {
    this.#counter = (this.#counter + 0x9e3779b9) | 0;
    return mix(this.#counter ^ this.#key);
  }
}

type WriteFloat = (view: DataView, at: number, value: number) => void;

const FLOATS: Readonly<Record<string, WriteFloat>> = {
  F32: (view, at, value) => view.setFloat32(at, value, true),
  F16: (view, at, value) => view.setUint16(at, floatToHalf(value), true),
  BF16: (view, at, value) => view.setUint16(at, floatToBfloat16(value), true),
};

function fillFloats(
  view: DataView,
  at: number,
  random: RandomWords,
  levels: Uint8Array,
  { mean, deviation }: WeightSpread,
  write: WriteFloat,
  bytes: number,
): void {
  for (let column = 0; column < levels.length; column++) {
    const gaussian = GAUSSIAN[random.next() >>> 16]!;
    write(view, at + column * bytes, mean + (gaussian * deviation * STRENGTHS[levels[column]!]!) / ORDINARY);
  }
}

/** Inverse of the normal distribution at the middles of 65 536 equal shares. */
const GAUSSIAN: Float32Array = Float32Array.from({ length: 65_536 }, (_, i) => normalQuantile((i + 0.5) / 65_536));

/** For each level and random byte a whole number in [-most, most], Gaussian at the level's strength. */
function levelTables(most: number): readonly Int8Array[] {
  return STRENGTHS.map((strength) =>
    Int8Array.from({ length: 256 }, (_, i) => Math.round((normalQuantile((i + 0.5) / 256) / CUT) * strength * most)),
  );
}

const LEVELS_8 = levelTables(127);
const LEVELS_6 = levelTables(31);
const LEVELS_5 = levelTables(15);
const LEVELS_4 = levelTables(7);

/** Each fills one block at `at`, whose first weight stands in `column`; `step` is the weight of full strength. */
const BLOCKS: Readonly<Record<string, FillBlock>> = {
  Q8_0(view, at, random, levels, column, step) {
    view.setUint16(at, floatToHalf(step / 127), true);
    for (let i = 0; i < 32; i += 4) {
      const word = random.next();
      for (let k = 0; k < 4; k++) {
        view.setInt8(at + 2 + i + k, LEVELS_8[levels[column + i + k]!]![(word >>> (8 * k)) & 255]!);
      }
    }
  },
  Q4_0(view, at, random, levels, column, step) {
    view.setUint16(at, floatToHalf(step / 7), true);
    for (let i = 0; i < 16; i += 2) {
      const word = random.next();
      for (let k = 0; k < 2; k++) {
        const low = LEVELS_4[levels[column + i + k]!]![(word >>> (16 * k)) & 255]! + 8;
        const high = LEVELS_4[levels[column + i + k + 16]!]![(word >>> (16 * k + 8)) & 255]! + 8;
        view.setUint8(at + 2 + i + k, low | (high << 4));
      }
    }
  },
  Q5_0(view, at, random, levels, column, step) {
    let fifthBits = 0;
    view.setUint16(at, floatToHalf(step / 15), true);
    for (let i = 0; i < 16; i += 2) {
      const word = random.next();
      for (let k = 0; k < 2; k++) {
        const low = LEVELS_5[levels[column + i + k]!]![(word >>> (16 * k)) & 255]! + 16;
        const high = LEVELS_5[levels[column + i + k + 16]!]![(word >>> (16 * k + 8)) & 255]! + 16;
        view.setUint8(at + 6 + i + k, (low & 15) | ((high & 15) << 4));
        fifthBits |= ((low >> 4) << (i + k)) | ((high >> 4) << (i + k + 16));
      }
    }
    view.setUint32(at + 2, fifthBits >>> 0, true);
  },
  /** Eight sub-blocks of 32: weight = d x scale x q - dmin x min, with min = scale and dmin = 8 d: q - 8 is the signed value. */
  Q4_K(view, at, random, levels, column, step) {
    const scaleUnit = step / 7 / 56;
    view.setUint16(at, floatToHalf(scaleUnit), true);
    view.setUint16(at + 2, floatToHalf(scaleUnit * 8), true);
    for (let j = 0; j < 4; j++) {
      const word = random.next();
      const [first, second] = [48 + (word & 15), 48 + ((word >>> 4) & 15)];
      view.setUint8(at + 4 + j, first | ((second >> 4) << 6));
      view.setUint8(at + 8 + j, first | ((second >> 4) << 6));
      view.setUint8(at + 12 + j, (second & 15) | ((second & 15) << 4));
    }
    for (let pair = 0; pair < 4; pair++) {
      const from = column + pair * 64;
      for (let i = 0; i < 32; i += 2) {
        const word = random.next();
        for (let k = 0; k < 2; k++) {
          const low = LEVELS_4[levels[from + i + k]!]![(word >>> (16 * k)) & 255]! + 8;
          const high = LEVELS_4[levels[from + i + k + 32]!]![(word >>> (16 * k + 8)) & 255]! + 8;
          view.setUint8(at + 16 + pair * 32 + i + k, low | (high << 4));
        }
      }
    }
  },
  /** Two halves of four runs of 32: 4 low bits in ql, 2 high bits in qh, 16 scales for 16 weights each. */
  Q6_K(view, at, random, levels, column, step) {
    view.setUint16(at + 208, floatToHalf(step / 31 / 112), true);
    for (let j = 0; j < 16; j++) view.setInt8(at + 192 + j, 96 + (random.next() >>> 27));
    for (let half = 0; half < 2; half++) {
      for (let i = 0; i < 32; i++) {
        const word = random.next();
        const from = column + half * 128 + i;
        const value = (run: number) => LEVELS_6[levels[from + run * 32]!]![(word >>> (8 * run)) & 255]! + 32;
        const [a, b, c, d] = [value(0), value(1), value(2), value(3)];
        view.setUint8(at + half * 64 + i, (a & 15) | ((c & 15) << 4));
        view.setUint8(at + half * 64 + 32 + i, (b & 15) | ((d & 15) << 4));
        view.setUint8(at + 128 + half * 32 + i, (a >> 4) | ((b >> 4) << 2) | ((c >> 4) << 4) | ((d >> 4) << 6));
      }
    }
  },
};

/** Inverse of the standard normal distribution (P. Acklam's rational approximation, relative error below 1.2e-9). */
function normalQuantile(p: number): number {
  const tail = 0.02425;
  if (p > 0.5) return -normalQuantile(1 - p);
  if (p < tail) {
    const q = Math.sqrt(-2 * Math.log(p));
    const c =
      ((((-7.784894002430293e-3 * q - 0.3223964580411365) * q - 2.400758277161838) * q - 2.549732539343734) * q +
        4.374664141464968) *
        q +
      2.938163982698783;
    const d =
      (((7.784695709041462e-3 * q + 0.3224671290700398) * q + 2.445134137142996) * q + 3.754408661907416) * q + 1;
    return c / d;
  }
  const q = p - 0.5;
  const r = q * q;
  const a =
    (((((-39.69683028665376 * r + 220.9460984245205) * r - 275.9285104469687) * r + 138.357751867269) * r -
      30.66479806614716) *
      r +
      2.506628277459239) *
    q;
  const b =
    ((((-54.47609879822406 * r + 161.5858368580409) * r - 155.6989798598866) * r + 66.80131188771972) * r -
      13.28068155288572) *
      r +
    1;
  return a / b;
}
