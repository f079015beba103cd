/**
 * The mappable profile's unit: one pixel line as one IDAT chunk that holds the line unpacked, at a constant stride.
 *
 *     length | "IDAT" | 6 empty stored blocks | 00 LEN NLEN | filter byte 0 | 4 x width data bytes | CRC-32
 *     4        4        30                      5             1               4 x width              4
 *
 * The empty stored blocks are legal padding that brings the data to a 16-byte boundary (docs/format.md).
 */
import { crc32 } from '../core/hashing.ts';

/** Bytes of a record before its data, and in all besides its data. */
export const RECORD_HEAD = 44;
export const RECORD_FRAME = 48;
/** Records start at this remainder of 16, so that their data start at 0. */
export const RECORD_REMAINDER = 4;

/** Adler-32 of a line's filter byte 0 alone: what its data's Adler-32 continues. */
export const ADLER_OF_FILTER_BYTE = 0x0001_0001;

const IDAT = 0x49444154;

/** Bytes from one line to the next. */
export function recordStride(width: number): number {
  return 4 * width + RECORD_FRAME;
}

/** The 44 bytes before the data; all lines of a picture have the same. */
export function recordHead(width: number): Uint8Array<ArrayBuffer> {
  const head = new Uint8Array(RECORD_HEAD);
  const view = new DataView(head.buffer);
  const stored = 4 * width + 1;
  view.setUint32(0, stored + 35);
  view.setUint32(4, IDAT);
  for (let block = 0; block < 6; block++) view.setUint16(8 + block * 5 + 3, 0xffff);
  view.setUint16(39, stored, true);
  view.setUint16(41, ~stored & 0xffff, true);
  return head;
}

/** CRC-32 that the record at `offset` should end with: over its type, padding, filter byte and data. */
export function recordCrc(records: Uint8Array, offset: number, width: number): number {
  return crc32(records.subarray(offset + 4, offset + RECORD_HEAD + 4 * width));
}

/** Writes the CRC at the record's end. */
export function sealRecord(records: Uint8Array, offset: number, width: number): void {
  const at = offset + RECORD_HEAD + 4 * width;
  const crc = recordCrc(records, offset, width);
  records[at] = crc >>> 24;
  records[at + 1] = crc >>> 16;
  records[at + 2] = crc >>> 8;
  records[at + 3] = crc;
}
