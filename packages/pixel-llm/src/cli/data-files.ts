/** Data files that a command was given, read whole and checked before anything begins. */
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { PixelError } from '../core/errors.ts';
import { type DataLine, parseDataFile } from '../train/data-file.ts';

/** All lines, in order. Throws `file-not-found`, and `bad-data` that names the line. */
export async function readDataFiles(names: readonly string[], folder = '.'): Promise<DataLine[]> {
  const lines: DataLine[] = [];
  for (const name of names) {
    const path = resolve(folder, name);
    const content = await readFile(path, 'utf8').catch((cause: unknown) => {
      throw new PixelError('file-not-found', `The data file ${path} cannot be read.`, { cause });
    });
    // Not push(...): a corpus has more lines than a call takes arguments.
    for (const line of parseDataFile(name, content)) lines.push(line);
  }
  return lines;
}
