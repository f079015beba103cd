/**
 * Where a writer makes its line records: two batches of them, so that one is filled and sealed while the other is on its
 * way to the sink. The memory belongs to a WebAssembly instance where there is one: its Adler-32 reads it in place.
 */
import { adler32 } from '../core/hashing.ts';
import {
  ADLER_OF_FILTER_BYTE,
  RECORD_HEAD,
  RECORD_REMAINDER,
  recordHead,
  recordStride,
  sealRecord,
} from './line-record.ts';

/** Bytes of one batch, about: small enough for a processor's cache, large enough that a write call costs nothing. */
const BATCH_BYTES = 2 * 1024 * 1024;

export interface LineBatch {
  /** The records of this batch, one after the other. */
  readonly records: Uint8Array;
  /** Offset of a line's data within `records`. */
  dataOffset(line: number): number;
  /** Writes the line's CRC; returns the Adler-32 of its filter byte and data. */
  seal(line: number): number;
}

export interface LineStage {
  readonly linesABatch: number;
  readonly batches: readonly [LineBatch, LineBatch];
}

export function createLineStage(width: number): LineStage {
  const stride = recordStride(width);
  const linesABatch = Math.max(1, Math.floor(BATCH_BYTES / stride));
  return { linesABatch, batches: [createBatch(width, linesABatch), createBatch(width, linesABatch)] };
}

function createBatch(width: number, lines: number): LineBatch {
  const stride = recordStride(width);
  const memory = new Uint8Array(RECORD_REMAINDER + lines * stride);
  const records = memory.subarray(RECORD_REMAINDER);
  const head = recordHead(width);
  for (let line = 0; line < lines; line++) records.set(head, line * stride);
  const dataOffset = (line: number) => line * stride + RECORD_HEAD;
  return {
    records,
    dataOffset,
    seal(line) {
      sealRecord(records, line * stride, width);
      const data = dataOffset(line);
      return adler32(records.subarray(data, data + 4 * width), ADLER_OF_FILTER_BYTE);
    },
  };
}
