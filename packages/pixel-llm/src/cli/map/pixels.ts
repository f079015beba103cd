/** `map write` and `map read`: pixels of any rectangle, from files and to files. */
import { readFile, stat } from 'node:fs/promises';
import type { Command } from 'commander';
import { PixelError } from '../../core/errors.ts';
import { LIMITS } from '../../core/limits.ts';
import { fileError, openFileByteSource } from '../../core/node.ts';
import { openMap } from '../../map/node.ts';
import { encodeImage, type Image } from '../../png/encode-image.ts';
import { readImage } from '../../png/read-image.ts';
import type { Rectangle } from '../../pxi/weight-space.ts';
import { type CommandContext, wholeNumber } from '../command.ts';
import { writeWhole } from '../write-whole.ts';
import { type Place, place, several, size, where } from './flags.ts';

export function registerMapPixels(map: Command, context: CommandContext): void {
  registerWrite(map, context);
  registerRead(map, context);
}

interface WriteFlags {
  at: Place;
  from: string;
  width?: number;
  overlay?: string;
  name?: string;
  kind: string;
  metadata?: Record<string, string | number | boolean | null>;
}

function registerWrite(map: Command, context: CommandContext): void {
  map
    .command('write')
    .description('Write pixels: all of them or, if that fails, none.')
    .argument('<map>', 'a .pxmap file')
    .requiredOption('--at <x,y>', 'where the upper left pixel goes, as in --at=-5,3', place)
    .requiredOption('--from <file>', 'a PNG, or raw RGBA bytes with --width')
    .option('--width <pixels>', 'raw bytes: pixels a line', wholeNumber(1))
    .option('--overlay <name>', 'write into this overlay (default: the ground)')
    .option('--name <name>', 'make it a region of that name')
    .option('--kind <kind>', 'with --name: what the region is', 'picture')
    .option('--metadata <key=value>', 'with --name: what to keep of it; may be given several times', where)
    .addHelpText(
      'after',
      '\nExamples:\n  pixel-llm map write plane.pxmap --at=-5,3 --from photo.png --name photo\n  pixel-llm map write plane.pxmap --at 0,0 --width 64 --from pixels.rgba',
    )
    .action(async (path: string, { at, from, width, overlay, name, kind, metadata = {} }: WriteFlags) => {
      const image = await readPixels(from, width, context);
      const rectangle = { ...at, width: image.width, height: image.height };
      await using opened = openMap(path);
      const region = name === undefined ? undefined : { name, kind, metadata };
      await opened.write(rectangle, image.pixels, { overlay, region });
      context.note(`${image.width} x ${image.height} pixels written at ${at.x},${at.y}`);
      const covered = (await opened.find({ touching: rectangle })).filter(({ mount }) => mount).map((one) => one.name);
      if (overlay === undefined && covered.length > 0) {
        context.note(
          `They cover a part of ${covered.join(', ')} for everybody; with --overlay NAME only for who asks for it.`,
        );
      }
    });
}

async function readPixels(path: string, width: number | undefined, { signal }: CommandContext): Promise<Image> {
  if (width === undefined) {
    const source = await openFileByteSource(path);
    try {
      return await readImage(source, { signal });
    } catch (error) {
      if (!(error instanceof PixelError) || error.code !== 'bad-png') throw error;
      const advice = 'give a PNG, or --width for raw RGBA bytes';
      throw new PixelError('bad-argument', `${path} is no PNG that can be read: ${advice}.`, { cause: error });
    }
  }
  const bytes = await readRaw(path);
  if (bytes.length > 0 && bytes.length % (width * 4) === 0) {
    return { width, height: bytes.length / (width * 4), pixels: bytes };
  }
  throw new PixelError('bad-argument', `${path} has ${bytes.length} bytes: no whole lines of ${width} RGBA pixels.`);
}

async function readRaw(path: string): Promise<Uint8Array> {
  try {
    const { size: bytes } = await stat(path);
    if (bytes <= LIMITS.mapRegionBytes) return await readFile(path);
  } catch (error) {
    throw fileError(error, path);
  }
  throw new PixelError('limit-exceeded', `${path} is too large for one write: take it in parts.`);
}

interface ReadFlags {
  at?: Place;
  size?: { width: number; height: number };
  region?: string;
  overlay?: string[];
  out: string;
}

function registerRead(map: Command, context: CommandContext): void {
  map
    .command('read')
    .description('Read pixels into a PNG: mounts, what was written over them, and overlays that are asked for.')
    .argument('<map>', 'a .pxmap file')
    .option('--at <x,y>', 'the upper left pixel, as in --at=-5,3', place)
    .option('--size <WxH>', 'how many pixels, as in 64x48', size)
    .option('--region <name>', 'all of a region, instead')
    .option('--overlay <name>', 'look through this overlay; may be given several times, the lowest first', several)
    .requiredOption('--out <file.png>', 'PNG to write')
    .addHelpText(
      'after',
      '\nExamples:\n  pixel-llm map read plane.pxmap --at=-5,3 --size 64x48 --out part.png\n  pixel-llm map read plane.pxmap --region photo --out photo.png',
    )
    .action(async (path: string, flags: ReadFlags) => {
      await using opened = openMap(path, { readOnly: true });
      const { signal } = context;
      const rectangle = flags.region === undefined ? rectangleOf(flags) : await opened.region(flags.region, { signal });
      const pixels = await opened.read(rectangle, { overlays: flags.overlay, signal });
      await writeWhole(flags.out, await encodeImage({ width: rectangle.width, height: rectangle.height, pixels }));
      context.note(`${flags.out}: ${rectangle.width} x ${rectangle.height} pixels`);
    });
}

function rectangleOf({ at, size: both }: ReadFlags): Rectangle {
  if (at && both) return { ...at, ...both };
  throw new PixelError('bad-argument', 'map read needs a place, --at X,Y --size WxH, or --region NAME.');
}
