/**
 * Where a writer makes its line records: two batches of them, so that one is filled and sealed while the other is on its
 * way to the sink. It lies in memory whose Adler-32 is fast.
 */
import { createAdlerMemory } from './adler-memory.ts';
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

interface LineBatch {
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
  const memory = createAdlerMemory(RECORD_REMAINDER + lines * stride);
  const records = memory.bytes.subarray(RECORD_REMAINDER, RECORD_REMAINDER + lines * stride);
  const head = recordHead(width);
  for (let line = 0; line < lines; line++) records.set(head, line * stride);
  const dataOffset = (line: number) => line * stride + RECORD_HEAD;
  return {
    records,
    dataOffset,
    seal(line) {
      sealRecord(records, line * stride, width);
      return memory.adler32(RECORD_REMAINDER + dataOffset(line), 4 * width, ADLER_OF_FILTER_BYTE);
    },
  };
}
