/** Keeps a command from writing over what it reads. */
import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { PixelError } from '../core/errors.ts';

/** Throws `bad-argument` when both names mean one file, by whatever path or link. A URL is no file. */
export async function refuseSameFile(input: string, output: string): Promise<void> {
  const [from, to] = await Promise.all([stat(input).catch(() => undefined), stat(output).catch(() => undefined)]);
  const isSame = from && to ? from.ino === to.ino && from.dev === to.dev : resolve(input) === resolve(output);
  if (isSame) throw new PixelError('bad-argument', `${output} is the input itself: name another output.`);
}
