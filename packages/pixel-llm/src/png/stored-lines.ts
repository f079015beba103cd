/**
 * Lines as records of the mappable profile. While the sink takes one batch, the next one is filled, its CRCs and its
 * Adler-32 computed.
 */
import type { ByteSink } from '../core/byte-sink.ts';
import { combineAdler32 } from '../core/hashing.ts';
import type { LineBody } from './line-body.ts';
import { recordStride } from './line-record.ts';
import { createLineStage } from './line-stage.ts';

export function createStoredLines(sink: ByteSink, width: number): LineBody {
  const lineBytes = 4 * width;
  const stride = recordStride(width);
  const { linesABatch, batches } = createLineStage(width);
  let batch = batches[0];
  let line = 0;
  let x = 0;
  let adler = 1;
  let underway: Promise<void> = Promise.resolve();

  async function flush(): Promise<void> {
    await underway;
    underway = sink.write([batch.records.subarray(0, line * stride)]);
    // A failure is thrown where `underway` is awaited next; without this it would count as unhandled until then.
    underway.catch(() => {});
    batch = batch === batches[0] ? batches[1] : batches[0];
    line = 0;
  }

  return {
    endsStream: false,
    async append(bytes) {
      for (let at = 0; at < bytes.length; ) {
        const count = Math.min(bytes.length - at, lineBytes - x);
        batch.records.set(bytes.subarray(at, at + count), batch.dataOffset(line) + x);
        at += count;
        x += count;
        if (x < lineBytes) return;
        adler = combineAdler32(adler, batch.seal(line), lineBytes + 1);
        x = 0;
        if (++line === linesABatch) await flush();
      }
    },
    async finish() {
      await flush();
      await underway;
      return adler;
    },
    async abort() {
      await underway.catch(() => {});
    },
  };
}
