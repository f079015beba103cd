/** A model that a command writes: as a picture (or several), or as GGUF, by the name it is to have. */
import { PixelError } from '../core/errors.ts';
import { openFileByteSink } from '../core/node.ts';
import { convertToGguf } from '../pxi/convert/convert-to-gguf.ts';
import { convertToPictures } from '../pxi/convert/convert-to-picture.ts';
import type { ModelContent } from '../pxi/convert/model-content.ts';
import { createWorkerHasher } from '../pxi/node.ts';
import { pictureNames } from '../pxi/set-names.ts';
import type { CommandContext } from './command.ts';
import { formatBytes } from './progress-bar.ts';
import { refuseSameFile } from './same-file.ts';

export interface ModelOutput {
  /** What is read while it is written, and must not be overwritten. */
  readonly inputs: readonly string[];
  readonly output: string;
  /** The most bytes of a picture. */
  readonly shardSize?: number | undefined;
}

/** Writes the model, and says what it has written. Throws `bad-argument` for a name that says neither picture nor GGUF. */
export async function writeModel(content: ModelContent, out: ModelOutput, context: CommandContext): Promise<void> {
  const begun = performance.now();
  const write = isPictureName(out.output) ? writePictures : writeGguf;
  const files = await write(content, out, context);
  context.note(summary(files, content.byteLength, (performance.now() - begun) / 1000));
}

async function writePictures(
  content: ModelContent,
  { inputs, output, shardSize }: ModelOutput,
  context: CommandContext,
): Promise<string[]> {
  const { signal } = context;
  const openSink = async (index: number, count: number) => {
    const name = pictureNames(output, count)[index] ?? output;
    for (const input of inputs) await refuseSameFile(input, name);
    return openFileByteSink(name);
  };
  const { files } = await context.withProgress((onProgress) =>
    convertToPictures(content, openSink, { shardSize, createHasher: createWorkerHasher, signal, onProgress }),
  );
  return pictureNames(output, files);
}

async function writeGguf(content: ModelContent, { output }: ModelOutput, context: CommandContext): Promise<string[]> {
  const { signal } = context;
  const sink = await openFileByteSink(output);
  await context.withProgress((onProgress) =>
    convertToGguf(content, sink, { createHasher: createWorkerHasher, signal, onProgress }),
  );
  return [output];
}

function summary(files: readonly string[], byteLength: number, seconds: number): string {
  const [first = ''] = files;
  const named = files.length === 1 ? first : `${files.length} pictures, ${first} and so on`;
  return `${named}: ${formatBytes(byteLength)} of model in ${seconds.toFixed(1)} s, ${formatBytes(byteLength / seconds)}/s.`;
}

/** Whether a name asks for a picture; else for GGUF. Throws `bad-argument` for other names. */
export function isPictureName(output: string): boolean {
  if (/\.png$/i.test(output)) return true;
  if (/\.gguf$/i.test(output)) return false;
  throw new PixelError('bad-argument', `${output} says not what to write: name it NAME.pxi.png or NAME.gguf.`);
}
