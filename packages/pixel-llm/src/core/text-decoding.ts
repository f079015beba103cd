/** UTF-8 within a buffer as text: the runtime's own way where it has one that makes no garbage (core/node.ts installs Node's). */

/** Reads bytes start .. end - 1 of the buffer it was made for. */
type ReadText = (start: number, end: number) => string;

/** Keeps a leading byte order mark: it is part of the string. Invalid UTF-8 becomes U+FFFD. */
let create = (bytes: Uint8Array<ArrayBuffer>): ReadText => {
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  return (start, end) => decoder.decode(bytes.subarray(start, end));
};

export function installTextDecoding(installed: typeof create): void {
  create = installed;
}

export function textReader(bytes: Uint8Array<ArrayBuffer>): ReadText {
  return create(bytes);
}
