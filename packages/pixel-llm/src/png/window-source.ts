/**
 * A ByteSource that reads ahead: for walking over chunk heads without a request (over HTTP: a round trip) for each.
 * Large reads pass through.
 */
import { type ByteSource, checkRange, type ReadOptions, totalLength } from '../core/byte-source.ts';

/** The window does not own the source: its `dispose` does nothing. */
export function createWindowSource(source: ByteSource, windowBytes = 65_536): ByteSource {
  let start = 0;
  let window = new Uint8Array(0);

  async function cover(offset: number, length: number, options?: ReadOptions): Promise<void> {
    if (offset >= start && offset + length <= start + window.length) return;
    const fresh = new Uint8Array(Math.min(windowBytes, source.size - offset));
    await source.read(offset, [fresh], options);
    window = fresh;
    start = offset;
  }

  return {
    name: source.name,
    size: source.size,
    async read(offset, targets, options) {
      const length = totalLength(targets);
      checkRange(source, offset, length);
      if (length > windowBytes / 2) return source.read(offset, targets, options);
      await cover(offset, length, options);
      let at = offset - start;
      for (const target of targets) {
        target.set(window.subarray(at, at + target.length));
        at += target.length;
      }
    },
    async dispose() {},
  };
}
