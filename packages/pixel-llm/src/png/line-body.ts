/** The lines of a picture on their way to the sink: stored (stored-lines.ts) or deflated (deflated-lines.ts). */
export interface LineBody {
  /** Appends data bytes of the lines, filter bytes excluded. One call at a time. */
  append(bytes: Uint8Array): Promise<void>;
  /** Waits until every line lies in the sink; the lines appended are whole. Returns their Adler-32, filter bytes included. */
  finish(): Promise<number>;
  /** True when the lines' own deflate data end the stream, so that no final block is needed after them. */
  readonly endsStream: boolean;
  /** Stops what runs; harmless after `finish` and twice. */
  abort(): Promise<void>;
}
