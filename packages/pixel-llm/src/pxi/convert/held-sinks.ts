/**
 * A sink whose commit waits: the pictures of a set are each finished when they are full, but become visible together,
 * when the last is written. Until then giving up leaves nothing.
 */
import type { ByteSink } from '../../core/byte-sink.ts';

export class HeldSinks {
  readonly #sinks: ByteSink[] = [];

  /** The sink to write to; its commit only marks the end. */
  hold(sink: ByteSink): ByteSink {
    this.#sinks.push(sink);
    return {
      name: sink.name,
      write: (chunks) => sink.write(chunks),
      writeAt: (offset, bytes) => sink.writeAt(offset, bytes),
      commit: async () => {},
      abort: () => sink.abort(),
    };
  }

  /** Makes all visible, the first one last: without it the others are no model. */
  async commit(): Promise<void> {
    for (const sink of this.#sinks.toReversed()) await sink.commit();
  }

  /** Removes what is not committed; harmless twice. */
  async abort(): Promise<void> {
    await Promise.all(this.#sinks.map((sink) => sink.abort()));
  }
}
