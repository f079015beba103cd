/** `map render`: the plane as a picture to look at. */
import type { Command } from 'commander';
import { PixelError } from '../../core/errors.ts';
import { openMap } from '../../map/node.ts';
import { renderMap } from '../../map/render-map.ts';
import { type CommandContext, wholeNumber } from '../command.ts';
import { checkDrawingName, writeDrawing } from '../drawing-output.ts';
import { type Place, place, several, size } from './flags.ts';

interface RenderFlags {
  at?: Place;
  size?: { width: number; height: number };
  overlay?: string[];
  width?: number;
}

export function registerMapRender(map: Command, context: CommandContext): void {
  map
    .command('render')
    .description(
      'Draw the plane: regions with their names and pixels; tiles of overlays that are asked for are framed.',
    )
    .argument('<map>', 'a .pxmap file')
    .argument('<out.png>', 'the drawing to write')
    .option('--at <x,y>', 'with --size: draw this rectangle (default: everything)', place)
    .option('--size <WxH>', 'with --at', size)
    .option('--overlay <name>', 'look through this overlay; may be given several times, the lowest first', several)
    .option('--width <pixels>', 'the most pixels across (default: 1600)', wholeNumber(200, 8192))
    .addHelpText('after', '\nExample:\n  pixel-llm map render plane.pxmap plane.png --overlay no-head')
    .action(async (path: string, output: string, { at, size: both, overlay: overlays, width }: RenderFlags) => {
      await checkDrawingName(output, [path]);
      if ((at === undefined) !== (both === undefined)) {
        throw new PixelError('bad-argument', 'map render draws a rectangle by --at X,Y and --size WxH together.');
      }
      const { signal } = context;
      await using opened = openMap(path, { readOnly: true });
      const area = at && both ? { ...at, ...both } : undefined;
      const image = await context.withProgress((onProgress) =>
        renderMap(opened, { area, overlays, width, signal, onProgress }),
      );
      await writeDrawing(output, image, 'map render', context);
    });
}
