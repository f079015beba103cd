/**
 * Every ggml tensor type, described once, as data: how many weights a block holds, how many bytes it takes, and the fields
 * those bytes fall into. Planes (pxi/), dequantization, quantization and every backend read this table.
 * Source: ggml's block structures (ggml-common.h) and type numbers (ggml.h).
 */

/** One field of a block; as a plane, the same field of all blocks one after another. */
export interface BlockField {
  readonly name: string;
  /** Offset of the field's first byte within the block. */
  readonly offset: number;
  readonly bytes: number;
}

export interface TensorType {
  readonly name: string;
  /** The number that stands for the type in a GGUF file. */
  readonly id: number;
  /** Weights in a block; a matrix row is a whole number of blocks. */
  readonly blockElements: number;
  /** Bytes of a block. */
  readonly blockBytes: number;
  /** In plane order. They cover the block exactly, without overlap. */
  readonly fields: readonly BlockField[];
}

function describe(name: string, id: number, blockElements: number, blockBytes: number, layout = ''): TensorType {
  const fields = layout
    ? layout.split(' ').map((text) => {
        const [fieldName = '', place = ''] = text.split('@');
        const [offset, bytes] = place.split(':').map(Number);
        return { name: fieldName, offset: offset!, bytes: bytes! };
      })
    : [{ name: 'raw', offset: 0, bytes: blockBytes }];
  return { name, id, blockElements, blockBytes, fields };
}

/** Types without a layout are stored as raw blocks in one plane: they pass through conversion, but are not computed with. */
export const TENSOR_TYPES: readonly TensorType[] = [
  describe('F32', 0, 1, 4, 'v@0:4'),
  describe('F16', 1, 1, 2, 'v@0:2'),
  describe('Q4_0', 2, 32, 18, 'qs@2:16 d@0:2'),
  describe('Q4_1', 3, 32, 20, 'qs@4:16 dm@0:4'),
  describe('Q5_0', 6, 32, 22, 'qs@6:16 qh@2:4 d@0:2'),
  describe('Q5_1', 7, 32, 24, 'qs@8:16 dm@0:4 qh@4:4'),
  describe('Q8_0', 8, 32, 34, 'qs@2:32 d@0:2'),
  describe('Q8_1', 9, 32, 36),
  describe('Q2_K', 10, 256, 84, 'qs@16:64 sc@0:16 dm@80:4'),
  describe('Q3_K', 11, 256, 110, 'qs@32:64 hm@0:32 sc@96:12 d@108:2'),
  describe('Q4_K', 12, 256, 144, 'qs@16:128 sc@4:12 dm@0:4'),
  describe('Q5_K', 13, 256, 176, 'qs@48:128 qh@16:32 sc@4:12 dm@0:4'),
  describe('Q6_K', 14, 256, 210, 'ql@0:128 qh@128:64 sc@192:16 d@208:2'),
  describe('Q8_K', 15, 256, 292),
  describe('IQ2_XXS', 16, 256, 66),
  describe('IQ2_XS', 17, 256, 74),
  describe('IQ3_XXS', 18, 256, 98),
  describe('IQ1_S', 19, 256, 50),
  describe('IQ4_NL', 20, 32, 18, 'qs@2:16 d@0:2'),
  describe('IQ3_S', 21, 256, 110),
  describe('IQ2_S', 22, 256, 82),
  describe('IQ4_XS', 23, 256, 136, 'qs@8:128 sl@4:4 sh@2:2 d@0:2'),
  describe('I8', 24, 1, 1),
  describe('I16', 25, 1, 2),
  describe('I32', 26, 1, 4),
  describe('I64', 27, 1, 8),
  describe('F64', 28, 1, 8),
  describe('IQ1_M', 29, 256, 56),
  describe('BF16', 30, 1, 2, 'v@0:2'),
  describe('TQ1_0', 34, 256, 54),
  describe('TQ2_0', 35, 256, 66),
  describe('MXFP4', 39, 32, 17, 'qs@1:16 e@0:1'),
  describe('NVFP4', 40, 64, 36),
];

const BY_ID = new Map(TENSOR_TYPES.map((type) => [type.id, type]));
const BY_NAME = new Map(TENSOR_TYPES.map((type) => [type.name, type]));

export function tensorTypeById(id: number): TensorType | undefined {
  return BY_ID.get(id);
}

export function tensorTypeByName(name: string): TensorType | undefined {
  return BY_NAME.get(name);
}

/** A type this project has never heard of: one opaque plane of bytes, one "weight" a byte. */
export function unknownTensorType(id: number): TensorType {
  return { ...describe(`type-${id}`, id, 1, 1) };
}

/** False for a type of which only the number of bytes is known. */
export function isKnownType(type: TensorType): boolean {
  return BY_ID.has(type.id);
}
