/** What goes between a conversion and its hashing thread. Answers come in the order of the requests. */

export interface HashRequest {
  readonly stream: string;
  /** Bytes to add, whose memory is transferred; without them the stream ends and its digest is asked for. */
  readonly bytes?: Uint8Array<ArrayBuffer>;
}

export interface HashAnswer {
  /** The memory of the bytes, back again. */
  readonly buffer?: ArrayBuffer;
  /** Lower-case hexadecimal. */
  readonly digest?: string;
}
