/**
 * The weight types the kernels compute with, and how large each is once packed (assembly/blocks.ts, assembly/floats.ts). Other
 * types are widened to F16 when they are loaded.
 */
import { PixelError } from '../../core/errors.ts';

export interface PackedFormat {
  readonly name: string;
  /** Integer formats take 8-bit activations in blocks of 32 columns; the others take f32. */
  readonly isInteger: boolean;
  /** Planes given to the packing kernel, in its order; '' where the type has none. */
  readonly planes: readonly string[];
  /** Bytes of four packed rows. */
  groupBytes(columns: number): number;
}

const HEADER = 16;
/** Bytes of four rows' scales for one block of 32 columns, by the kernels' name of the scheme. */
const SCALE_BYTES = { plain: 8, minimum: 16, super32: 12, super16: 10 };

const FORMATS: readonly PackedFormat[] = [
  floats('F32', (columns) => 16 * columns),
  floats('F16', (columns) => HEADER + 8 * columns),
  floats('BF16', (columns) => 8 * columns),
  integers('Q4_0', 64, 'plain', 'qs', '', '', 'd'),
  integers('Q4_1', 64, 'minimum', 'qs', '', '', 'dm'),
  integers('Q5_0', 80, 'plain', 'qs', 'qh', '', 'd'),
  integers('Q5_1', 80, 'minimum', 'qs', 'qh', '', 'dm'),
  integers('Q8_0', 128, 'plain', 'qs', '', '', 'd'),
  integers('Q3_K', 64, 'super16', 'qs', 'hm', 'sc', 'd'),
  integers('Q4_K', 64, 'super32', 'qs', '', 'sc', 'dm'),
  integers('Q5_K', 80, 'super32', 'qs', 'qh', 'sc', 'dm'),
  integers('Q6_K', 96, 'super16', 'ql', 'qh', 'sc', 'd'),
];

const BY_NAME = new Map(FORMATS.map((format) => [format.name, format]));

/** Undefined for a type that has to be widened. */
export function packedFormat(type: string): PackedFormat | undefined {
  return BY_NAME.get(type);
}

/** Like packedFormat, for types known to have one. */
export function requiredFormat(type: string): PackedFormat {
  const format = BY_NAME.get(type);
  if (!format) throw new PixelError('unsupported-type', `There is no kernel for ${type}.`);
  return format;
}

/** Bytes of a packed [rows, columns] matrix. */
export function packedBytes(format: PackedFormat, rows: number, columns: number): number {
  return Math.ceil(rows / 4) * format.groupBytes(columns);
}

/** Bytes of the scratch in which row kernels unpack four rows (assembly/panels.ts). */
export function panelBytes(columns: number): number {
  return 352 * (columns / 32);
}

function floats(name: string, groupBytes: (columns: number) => number): PackedFormat {
  return { name, isInteger: false, planes: ['v'], groupBytes };
}

function integers(
  name: string,
  blockBytes: number,
  scaling: keyof typeof SCALE_BYTES,
  ...planes: readonly string[]
): PackedFormat {
  return {
    name,
    isInteger: true,
    planes,
    groupBytes(columns) {
      const blocks = columns / 32;
      return HEADER + Math.ceil((SCALE_BYTES[scaling] * blocks) / 16) * 16 + blockBytes * blocks;
    },
  };
}
