/** `pixel-llm fs`: any file as a picture, and back (PixelFS). */
import { basename } from 'node:path';
import type { Command } from 'commander';
import type { ByteSink } from '../core/byte-sink.ts';
import { type ByteSource, readBytes } from '../core/byte-source.ts';
import { PixelError } from '../core/errors.ts';
import { openFileByteSink } from '../core/node.ts';
import { describeForeignBytes } from '../png/foreign-bytes.ts';
import { openPixelFs, type PixelFile, verifyPixelFs, viewerNote } from '../png/pixelfs.ts';
import { writePixelFs } from '../png/pixelfs-writer.ts';
import { openSource } from '../pxi/node.ts';
import { type CommandContext, type RegisterCommand, wholeNumber } from './command.ts';
import { printable } from './printable.ts';
import { formatBytes } from './progress-bar.ts';
import { refuseSameFile } from './same-file.ts';
import { readStandardInput } from './standard-input.ts';
import { createThreadedHasher } from './threaded-hasher.ts';

export const registerFs: RegisterCommand = (program, context) => {
  const fs = program
    .command('fs')
    .description('Keep any file as the pixels of a PNG, and get it back byte for byte.')
    .addHelpText('after', EXAMPLES);
  registerPut(fs, context);
  registerGet(fs, context);
  registerInfo(fs, context);
  registerVerify(fs, context);
};

const EXAMPLES = `
Examples:
  pixel-llm fs put notes.zip notes.png
  pixel-llm fs get notes.png copy.zip
  pixel-llm fs info https://example.org/notes.png --json
  tar c photos | pixel-llm fs put - photos.png --name photos.tar
  pixel-llm fs get photos.png - | tar t`;

/** Bytes a step of reading a file. */
const STEP_BYTES = 4 * 1024 * 1024;
/** From here on a thread for the hash pays. */
const THREAD_BYTES = 32 * 1024 * 1024;
/** Lines of damage that are printed; what is wrong is clear by then. */
const MOST_FINDINGS = 100;

interface PutOptions {
  name?: string;
  width?: number;
  compress?: boolean;
}

function registerPut(fs: Command, context: CommandContext): void {
  fs.command('put')
    .description('Write a file as a picture.')
    .argument('<in>', 'file or URL; - for standard input')
    .argument('<out.png>', 'picture to write')
    .option('--name <name>', 'name to keep in the picture (default: that of the file)')
    .option(
      '--width <pixels>',
      'pixels a line, a power of two from 64 to 8192 (default: a square)',
      wholeNumber(64, 8192),
    )
    .option('--compress', 'deflate: smaller, but slower to write and to read')
    .addHelpText('after', '\nExample:\n  pixel-llm fs put notes.zip notes.png')
    .action((input: string, output: string, options: PutOptions) => put(input, output, options, context));
}

async function put(input: string, output: string, options: PutOptions, context: CommandContext): Promise<void> {
  const { signal } = context;
  if (output === '-') {
    throw new PixelError(
      'bad-argument',
      'A picture cannot go to standard output: its first line is written last. Name a file.',
    );
  }
  await refuseSameFile(input, output);
  await using source = input === '-' ? undefined : await openInput(input, signal);
  const bytes = source ? readSteps(source, signal) : readStandardInput(signal);
  const sink = await openFileByteSink(output);
  const hasher = source && source.size < THREAD_BYTES ? undefined : createThreadedHasher();
  const { manifest, superblock } = await context
    .withProgress((onProgress) =>
      writePixelFs(sink, bytes, {
        name: options.name ?? nameOf(input),
        width: options.width,
        compress: options.compress ?? false,
        byteLength: source?.size,
        hasher,
        signal,
        onProgress,
      }),
    )
    .finally(() => hasher?.dispose());
  const { width, height } = superblock;
  context.note(`${output}: ${formatBytes(manifest.data.byteLength)} in ${width} x ${height} pixels.`);
  const note = viewerNote(height);
  if (note) context.note(note);
}

function registerGet(fs: Command, context: CommandContext): void {
  fs.command('get')
    .description('Get the file back out of a picture; its SHA-256 is checked.')
    .argument('<in.png>', 'picture or URL')
    .argument('<out>', 'file to write; - for standard output')
    .addHelpText('after', '\nExample:\n  pixel-llm fs get notes.png notes.zip')
    .action(async (input: string, output: string) => {
      if (output !== '-') await refuseSameFile(input, output);
      await using file = await openPixelFs(await openPicture(input, context.signal), { signal: context.signal });
      await context.withProgress(async (onProgress) => {
        const bytes = file.stream({ signal: context.signal, onProgress });
        if (output === '-') for await (const chunk of bytes) await context.print(chunk);
        else await writeBytes(bytes, await openFileByteSink(output));
      });
      if (output !== '-') context.note(`${output}: ${formatBytes(file.size)}.`);
    });
}

function registerInfo(fs: Command, context: CommandContext): void {
  fs.command('info')
    .description('Say what a picture holds.')
    .argument('<in.png>', 'picture or URL')
    .option('--json', 'as JSON')
    .addHelpText('after', '\nExample:\n  pixel-llm fs info notes.png --json')
    .action(async (input: string, { json }: { json?: boolean }) => {
      await using file = await openPixelFs(await openPicture(input, context.signal), { signal: context.signal });
      await context.print(json ? `${JSON.stringify(file.info(), null, 2)}\n` : describe(file));
    });
}

function registerVerify(fs: Command, context: CommandContext): void {
  fs.command('verify')
    .description('Check every line and the SHA-256; exit code 1 and the damaged lines if anything is wrong.')
    .argument('<in.png>', 'picture or URL')
    .addHelpText('after', '\nExample:\n  pixel-llm fs verify notes.png')
    .action(async (input: string) => {
      const source = await openPicture(input, context.signal);
      const damages = await context.withProgress((onProgress) =>
        verifyPixelFs(source, { signal: context.signal, onProgress }),
      );
      if (damages.length === 0) {
        await context.print(`${input} is sound: the CRC of each line and the SHA-256 of the file match.\n`);
        return;
      }
      const lines = damages.slice(0, MOST_FINDINGS).map(({ message }) => `${message}\n`);
      if (damages.length > MOST_FINDINGS) lines.push(`... and ${damages.length - MOST_FINDINGS} findings more.\n`);
      await context.print(lines.join(''));
      context.note(`${input} is damaged: get the original file again.`);
      process.exitCode = 1;
    });
}

function describe(file: PixelFile): string {
  const info = file.info();
  const access = info.access === 'mappable' ? 'mappable: read where it lies' : 'compressed: inflated when read';
  const rows = [
    ['name', info.name || '(none)'],
    ['size', `${info.byteLength} bytes (${formatBytes(info.byteLength)})`],
    ['sha256', info.sha256],
    ['picture', `${info.width} x ${info.height} pixels, ${formatBytes(info.pictureBytes)}, ${access}`],
    ['written by', `${info.createdBy}, format version ${info.formatVersion}`],
    ...(info.note ? [['note', info.note]] : []),
  ];
  return rows.map(([key, value]) => `${key!.padEnd(12)}${printable(value!)}\n`).join('');
}

function nameOf(input: string): string {
  if (input === '-') return '';
  return basename(/^https?:/i.test(input) ? new URL(input).pathname : input);
}

/** The source belongs to whoever opened it: `await using`. */
async function openInput(input: string, signal: AbortSignal): Promise<ByteSource & AsyncDisposable> {
  const source = await openSource(input, { signal });
  return Object.assign(source, { [Symbol.asyncDispose]: () => source.dispose() });
}

/** Opens what should be a picture. Throws `unknown-format` for what is none at all, unlike one that is damaged. */
async function openPicture(input: string, signal: AbortSignal): Promise<ByteSource> {
  const source = await openSource(input, { signal });
  const start = await readBytes(source, 0, Math.min(64, source.size), { signal });
  const { code, message } = describeForeignBytes(start);
  if (code !== 'bad-png') return source;
  await source.dispose();
  throw new PixelError('unknown-format', `${input} ${message}`);
}

/** The source in steps; the next one is read while the caller works on this one, so each is valid until then. */
async function* readSteps(source: ByteSource, signal: AbortSignal): AsyncGenerator<Uint8Array, void, void> {
  const buffers = [0, 1].map(() => new Uint8Array(Math.min(STEP_BYTES, source.size)));
  const read = async (offset: number, turn: number) => {
    const bytes = buffers[turn]!.subarray(0, Math.max(0, source.size - offset));
    await source.read(Math.min(offset, source.size), [bytes], { signal });
    return bytes;
  };
  let ahead = read(0, 0);
  for (let offset = 0, turn = 0; offset < source.size; offset += STEP_BYTES, turn ^= 1) {
    const bytes = await ahead;
    ahead = read(offset + STEP_BYTES, turn ^ 1);
    // A failure is thrown where `ahead` is awaited next.
    ahead.catch(() => {});
    yield bytes;
  }
  await ahead;
}

async function writeBytes(bytes: AsyncIterable<Uint8Array>, sink: ByteSink): Promise<void> {
  try {
    for await (const chunk of bytes) await sink.write([chunk]);
    await sink.commit();
  } catch (error) {
    await sink.abort();
    throw error;
  }
}
