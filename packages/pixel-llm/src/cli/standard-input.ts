/** Stdin as the commands read it. */
import { fstatSync } from 'node:fs';
import { addAbortSignal } from 'node:stream';
import { PixelError, throwIfAborted } from '../core/errors.ts';

/** The bytes of stdin; an interruption does not wait for whoever is typing. Throws `bad-argument` for a folder, `aborted`. */
export async function* readStandardInput(signal: AbortSignal): AsyncGenerator<Uint8Array, void, void> {
  throwIfAborted(signal);
  // Node takes a folder for an empty stream.
  if (fstatSync(process.stdin.fd).isDirectory()) throw new PixelError('bad-argument', 'stdin is a folder, not a file.');
  try {
    yield* addAbortSignal(signal, process.stdin);
  } catch (error) {
    throwIfAborted(signal);
    throw error;
  }
}
