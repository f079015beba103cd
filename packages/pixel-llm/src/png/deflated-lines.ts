/**
 * Lines as one deflate stream, for `compress`: smaller, but read by the slow path. No filter is tried: these pixels are
 * numbers, not colours that resemble their neighbours.
 */
import type { ByteSink } from '../core/byte-sink.ts';
import { adler32 } from '../core/hashing.ts';
import { encodeChunk, MOST_IDAT_BYTES } from './chunks.ts';
import type { LineBody } from './line-body.ts';

export function createDeflatedLines(sink: ByteSink, width: number): LineBody {
  const lineBytes = 4 * width;
  const deflate = new CompressionStream('deflate-raw');
  const input = deflate.writable.getWriter();
  const output = pipeToChunks(deflate.readable, sink);
  // A failing sink is reported by whoever awaits `output` or the input next.
  output.catch((error) => input.abort(error).catch(() => {}));
  let x = 0;
  let adler = 1;

  return {
    endsStream: true,
    async append(bytes) {
      const lines = withFilterBytes(bytes, x, lineBytes);
      x = (x + bytes.length) % lineBytes;
      adler = adler32(lines, adler);
      await Promise.race([input.write(lines), output]);
    },
    async finish() {
      await Promise.all([input.close(), output]);
      return adler;
    },
    async abort() {
      await input.abort().catch(() => {});
      await output.catch(() => {});
    },
  };
}

/** A copy of the bytes with a 0 before each that starts a line; the first one lies at `x` of its line. */
function withFilterBytes(bytes: Uint8Array, x: number, lineBytes: number): Uint8Array<ArrayBuffer> {
  const starts = Math.floor((x + bytes.length + lineBytes - 1) / lineBytes) - Math.ceil(x / lineBytes);
  const lines = new Uint8Array(bytes.length + starts);
  let to = 0;
  for (let at = 0; at < bytes.length; ) {
    const position = (x + at) % lineBytes;
    if (position === 0) to++;
    const count = Math.min(bytes.length - at, lineBytes - position);
    lines.set(bytes.subarray(at, at + count), to);
    at += count;
    to += count;
  }
  return lines;
}

/** Writes what the stream gives as IDAT chunks of MOST_IDAT_BYTES, the last one shorter. */
async function pipeToChunks(stream: ReadableStream<Uint8Array>, sink: ByteSink): Promise<void> {
  const gathered = new Uint8Array(MOST_IDAT_BYTES);
  let length = 0;
  const reader = stream.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    for (let at = 0; value && at < value.length; ) {
      const part = value.subarray(at, at + gathered.length - length);
      gathered.set(part, length);
      length += part.length;
      at += part.length;
      if (length === gathered.length) {
        await sink.write([encodeChunk('IDAT', gathered)]);
        length = 0;
      }
    }
    if (done) break;
  }
  if (length > 0) await sink.write([encodeChunk('IDAT', gathered.subarray(0, length))]);
}
