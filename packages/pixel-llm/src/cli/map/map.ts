/** `pixel-llm map`: the plane on which models, notes and conversations lie, and how they are changed and changed back. */
import type { Command } from 'commander';
import { PixelError } from '../../core/errors.ts';
import { createMapFile, mountPath, openMap } from '../../map/node.ts';
import { isMounted } from '../../map/tile-store.ts';
import { type CommandContext, type RegisterCommand, wholeNumber } from '../command.ts';
import { printable } from '../printable.ts';
import { formatBytes } from '../progress-bar.ts';
import { registerMapExport } from './export.ts';
import { registerMapFind } from './find.ts';
import { type Place, place, where } from './flags.ts';
import { registerMapModels } from './models.ts';
import { registerMapPixels } from './pixels.ts';
import { printRegions } from './regions.ts';
import { registerMapRender } from './render.ts';

const EXAMPLES = `
A map is one file, NAME.pxmap. Pictures are mounted on it: they are read where they are, never copied and never changed. What is written lies over
them in tiles: on the ground, or in an overlay, which is a named set of tiles that can be looked through, stacked, merged and dropped. A model on a
map is named MAP#REGION, and through overlays MAP#REGION+OVERLAY+OVERLAY, wherever a command takes a model.

Examples:
  pixel-llm map create plane.pxmap
  pixel-llm map mount plane.pxmap model.pxi.png
  pixel-llm map edit plane.pxmap --region model --tensor blk.0.attn_output.weight --columns 0:32 --zero --overlay no-head
  pixel-llm run plane.pxmap#model+no-head "Once there was a"
  pixel-llm map drop plane.pxmap --overlay no-head
  pixel-llm map write plane.pxmap --at=-900,3 --from photo.png --name photo
  pixel-llm map read plane.pxmap --at=-900,3 --size 64x48 --out part.png`;

export const registerMap: RegisterCommand = (program, context) => {
  const map = program
    .command('map')
    .summary('one plane for models, changes of models, and pictures')
    .description('An unbounded plane of pixels on which models are mounted, changed by overlays, and changed back.')
    .addHelpText('after', EXAMPLES);
  registerCreate(map, context);
  registerMount(map, context);
  registerUnmount(map, context);
  registerMove(map, context);
  registerMapPixels(map, context);
  registerMapModels(map, context);
  registerMapFind(map, context);
  registerList(map, context);
  registerStats(map, context);
  registerVerify(map, context);
  registerMapExport(map, context);
  registerMapRender(map, context);
};

function registerCreate(map: Command, context: CommandContext): void {
  map
    .command('create')
    .description('Make a new, empty map.')
    .argument('<map>', 'file to make: NAME.pxmap')
    .option('--tile-size <pixels>', 'pixels a side of a tile: a power of two', wholeNumber(8, 1024), 64)
    .addHelpText('after', '\nExample:\n  pixel-llm map create plane.pxmap')
    .action((path: string, { tileSize }: { tileSize: number }) => {
      createMapFile(path, { tileSize });
      context.note(`${path}: an empty map, tiles of ${tileSize} x ${tileSize} pixels`);
    });
}

interface MountFlags {
  metadata?: Record<string, string | number | boolean | null>;
  at?: Place;
  name?: string;
}

function registerMount(map: Command, context: CommandContext): void {
  map
    .command('mount')
    .description('Lay a picture on the map: it is read where it is, never copied.')
    .argument('<map>', 'a .pxmap file')
    .argument(
      '<file.pxi.png>',
      'a picture of this project (any file of a set), or its URL; a GGUF file is converted first',
    )
    .option('--at <x,y>', 'where its upper left pixel goes (default: the nearest free place to 0,0)', place)
    .option('--name <name>', "the region's name (default: that of the file)")
    .option('--metadata <key=value>', 'what to keep of it; may be given several times', where)
    .addHelpText(
      'after',
      '\nExamples:\n  pixel-llm map mount plane.pxmap model.pxi.png\n  pixel-llm map mount plane.pxmap model.pxi.png --at=-5000,300 --name other',
    )
    .action(async (path: string, file: string, { at, name, metadata }: MountFlags) => {
      if (/\.gguf$/i.test(file)) {
        const picture = file.replace(/\.gguf$/i, '.pxi.png');
        throw new PixelError(
          'bad-argument',
          `${file} is no picture; make one of it and mount that: pixel-llm convert ${file} ${picture}`,
        );
      }
      await using opened = openMap(path);
      const region = await opened.mount(mountPath(path, file), { at, name, metadata, signal: context.signal });
      context.note(`${region.name}: ${region.width} x ${region.height} pixels at ${region.x},${region.y}`);
    });
}

function registerUnmount(map: Command, context: CommandContext): void {
  map
    .command('unmount')
    .description('Forget a region; its picture, and what was written over it, stay where they are.')
    .argument('<map>', 'a .pxmap file')
    .requiredOption('--region <name>', 'which one')
    .addHelpText('after', '\nExample:\n  pixel-llm map unmount plane.pxmap --region model')
    .action(async (path: string, { region }: { region: string }) => {
      await using opened = openMap(path);
      await opened.removeRegion(region);
      context.note(`${region} is no region of ${path} any more.`);
    });
}

function registerMove(map: Command, context: CommandContext): void {
  map
    .command('move')
    .description('Say where the picture of a region is now, after it was moved.')
    .argument('<map>', 'a .pxmap file')
    .argument('<file.pxi.png>', 'the same picture at its new place')
    .requiredOption('--region <name>', 'which region it was mounted as')
    .addHelpText('after', '\nExample:\n  pixel-llm map move plane.pxmap --region model models/model.pxi.png')
    .action(async (path: string, file: string, { region }: { region: string }) => {
      await using opened = openMap(path);
      await opened.moveMount(region, mountPath(path, file), { signal: context.signal });
      context.note(`${region} is read from ${file}.`);
    });
}

function registerList(map: Command, context: CommandContext): void {
  map
    .command('list')
    .description('List the regions of a map.')
    .argument('<map>', 'a .pxmap file')
    .option('--json', 'as JSON')
    .addHelpText('after', '\nExample:\n  pixel-llm map list plane.pxmap')
    .action(async (path: string, { json }: { json?: boolean }) => {
      await using opened = openMap(path, { readOnly: true });
      await printRegions(await opened.regions({ signal: context.signal }), json ?? false, context);
    });
}

function registerStats(map: Command, context: CommandContext): void {
  map
    .command('stats')
    .description('Say how much a map holds.')
    .argument('<map>', 'a .pxmap file')
    .option('--json', 'as JSON')
    .addHelpText('after', '\nExample:\n  pixel-llm map stats plane.pxmap')
    .action(async (path: string, { json }: { json?: boolean }) => {
      await using opened = openMap(path, { readOnly: true });
      const { store } = await opened.statistics();
      const { tileSize, id } = opened.head;
      if (json) return context.print(`${JSON.stringify({ id, tileSize, ...store }, null, 2)}\n`);
      const { regions, overlays, tiles, partialTiles, tileBytes, fileBytes = 0 } = store;
      await context.print(
        `regions   ${regions}\noverlays  ${overlays}\n` +
          `tiles     ${tiles} of ${tileSize} x ${tileSize} pixels, ${formatBytes(tileBytes)}; ${partialTiles} written in part\n` +
          `file      ${formatBytes(fileBytes)}\n`,
      );
    });
}

function registerVerify(map: Command, context: CommandContext): void {
  map
    .command('verify')
    .description(
      'Check everything that is written on a map, and that every mounted picture is there, unchanged and sound.',
    )
    .argument('<map>', 'a .pxmap file')
    .addHelpText('after', '\nExample:\n  pixel-llm map verify plane.pxmap')
    .action(async (path: string) => {
      const { signal } = context;
      const findings: string[] = [];
      let pictures = 0;
      await context.withProgress(async (onProgress) => {
        await using opened = openMap(path, { readOnly: true });
        findings.push(...(await opened.verify({ signal })));
        for (const region of (await opened.regions({ signal })).filter(isMounted)) {
          // One that cannot be opened is a finding already.
          for (const picture of await opened.openMount(region, { signal }).catch(() => [])) {
            pictures++;
            const damage = await picture.verify({ signal, onProgress });
            findings.push(...damage.map(({ message }) => `${picture.name}: ${message}`));
            await picture.dispose();
          }
        }
      });
      if (findings.length === 0)
        return context.print(`${path} is sound: its tiles and ${pictures} mounted pictures.\n`);
      await context.print(`${findings.map((finding) => printable(finding)).join('\n')}\n`);
      process.exitCode = 1;
    });
}
