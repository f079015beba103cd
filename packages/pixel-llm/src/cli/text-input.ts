/** Text that a command reads whole: stdin or a file, within a limit, and only if it is text. */
import { readBytes } from '../core/byte-source.ts';
import { PixelError } from '../core/errors.ts';
import { LIMITS } from '../core/limits.ts';
import { openFileByteSource } from '../core/node.ts';
import { readStandardInput } from './standard-input.ts';

/** All of stdin, as UTF-8. Throws `limit-exceeded`, `bad-argument` for other bytes, `aborted`. */
export async function readStandardText(signal: AbortSignal): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of readStandardInput(signal)) {
    length += chunk.length;
    if (length > LIMITS.textBytes) throw tooLong('stdin');
    chunks.push(chunk);
  }
  return decode('stdin', Buffer.concat(chunks));
}

/** All of a file, as UTF-8. Throws `file-not-found`, `limit-exceeded`, `bad-argument` for other bytes, `aborted`. */
export async function readTextFile(path: string, signal: AbortSignal): Promise<string> {
  const source = await openFileByteSource(path);
  try {
    if (source.size > LIMITS.textBytes) throw tooLong(path);
    return decode(path, await readBytes(source, 0, source.size, { signal }));
  } finally {
    await source.dispose();
  }
}

function decode(name: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new PixelError('bad-argument', `${name} is not text in UTF-8.`, { cause });
  }
}

function tooLong(name: string): PixelError {
  return new PixelError(
    'limit-exceeded',
    `${name} has more than ${LIMITS.textBytes} bytes: too much text for one run.`,
  );
}
