/** Writes one typed metadata value into a GGUF head: the way back of metadata-reader.ts, called by the writer of heads. */
import { PixelError } from '../core/errors.ts';
import type { ByteWriter } from './byte-writer.ts';
import type { MetadataArray, MetadataValue, ScalarType } from './head.ts';
import { VALUE_TYPES } from './metadata-reader.ts';

/** The type number, then the value; `key` is for messages. Throws `bad-argument` for a value that its type cannot hold. */
export function writeMetadataValue(writer: ByteWriter, value: MetadataValue, key: string): void {
  writer.uint32(VALUE_TYPES.indexOf(value.type));
  if (value.type === 'array') writeArray(writer, value, key);
  else writeScalar(writer, value.type, value.value, key);
}

function writeArray(writer: ByteWriter, { itemType, value }: MetadataArray, key: string): void {
  writer.uint32(VALUE_TYPES.indexOf(itemType));
  writer.uint64(value.length);
  for (let i = 0; i < value.length; i++) {
    const item = value[i];
    if (itemType !== 'array') writeScalar(writer, itemType, item, key);
    else writeArray(writer, item as MetadataArray, key);
  }
}

function writeScalar(writer: ByteWriter, type: ScalarType, value: unknown, key: string): void {
  switch (type) {
    case 'string':
      if (typeof value !== 'string') break;
      writer.text(value);
      return;
    case 'bool':
      if (typeof value !== 'boolean') break;
      writer.write(1, (view, at) => view.setUint8(at, value ? 1 : 0));
      return;
    case 'float32':
      if (typeof value !== 'number') break;
      writer.write(4, (view, at) => view.setFloat32(at, value, true));
      return;
    case 'float64':
      if (typeof value !== 'number') break;
      writer.write(8, (view, at) => view.setFloat64(at, value, true));
      return;
    default:
      if (writeInteger(writer, type, value)) return;
  }
  throw new PixelError('bad-argument', `The metadata entry "${key}": ${String(value)} is no ${type}.`);
}

type IntegerType = Exclude<ScalarType, 'string' | 'bool' | 'float32' | 'float64'>;

interface IntegerForm {
  readonly bytes: number;
  readonly signed: boolean;
}

const INTEGERS: Readonly<Record<IntegerType, IntegerForm>> = {
  uint8: { bytes: 1, signed: false },
  int8: { bytes: 1, signed: true },
  uint16: { bytes: 2, signed: false },
  int16: { bytes: 2, signed: true },
  uint32: { bytes: 4, signed: false },
  int32: { bytes: 4, signed: true },
  uint64: { bytes: 8, signed: false },
  int64: { bytes: 8, signed: true },
};

/** False when the value is no integer of that form. Takes numbers and bigints for all of them. */
function writeInteger(writer: ByteWriter, type: IntegerType, value: unknown): boolean {
  const { bytes, signed } = INTEGERS[type];
  if (typeof value !== 'bigint' && !(typeof value === 'number' && Number.isSafeInteger(value))) return false;
  if (bytes === 8) return writeInteger64(writer, BigInt(value), signed);
  const number = Number(value);
  const range = 2 ** (8 * bytes);
  const least = signed ? -range / 2 : 0;
  if (number < least || number >= least + range) return false;
  // The low bits of two's complement are the same for both signs.
  writer.write(bytes, (view, at) => {
    if (bytes === 1) view.setUint8(at, number & 0xff);
    else if (bytes === 2) view.setUint16(at, number & 0xffff, true);
    else view.setUint32(at, number >>> 0, true);
  });
  return true;
}

function writeInteger64(writer: ByteWriter, value: bigint, signed: boolean): boolean {
  const wrapped = signed ? BigInt.asIntN(64, value) : BigInt.asUintN(64, value);
  if (wrapped !== value) return false;
  writer.uint64(BigInt.asUintN(64, value));
  return true;
}
