/** `map find` and `map layers`: what is where. */
import type { Command } from 'commander';
import { PixelError } from '../../core/errors.ts';
import type { InfiniteMap } from '../../map/infinite-map.ts';
import { locateLayers, weightsAt } from '../../map/locate.ts';
import { openMapModel } from '../../map/map-weights.ts';
import { openMap } from '../../map/node.ts';
import type { MapRegion } from '../../map/tile-store.ts';
import { MODEL_KINDS } from '../../pxi/manifest.ts';
import { type CommandContext, wholeNumber } from '../command.ts';
import { writeWhole } from '../write-whole.ts';
import { type Place, place, several, size, where } from './flags.ts';
import { printRegions } from './regions.ts';

export function registerMapFind(map: Command, context: CommandContext): void {
  registerFind(map, context);
  registerLayers(map, context);
}

interface FindFlags {
  at?: Place;
  size?: { width: number; height: number };
  near?: Place;
  count: number;
  name?: string;
  kind?: string;
  where?: Record<string, string | number | boolean | null>;
  overlay?: string[];
  json?: boolean;
}

function registerFind(map: Command, context: CommandContext): void {
  map
    .command('find')
    .description('Find regions by place, nearness, name or kind; at a pixel of a model also the weights it holds.')
    .argument('<map>', 'a .pxmap file')
    .option('--at <x,y>', 'regions at this pixel, or with --size in this rectangle', place)
    .option('--size <WxH>', 'with --at: a rectangle', size)
    .option('--near <x,y>', 'the regions nearest to this point', place)
    .option('--count <n>', 'with --near: how many', wholeNumber(1, 100_000), 5)
    .option('--name <name>', 'of this name')
    .option('--kind <kind>', 'of this kind: model, adapter, conversation, picture, ...')
    .option(
      '--overlay <name>',
      'with --at: the weights as they are through this overlay; may be given several times',
      several,
    )
    .option('--where <key=value>', 'with this value in its metadata; may be given several times', where)
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  pixel-llm map find plane.pxmap --at=120,300\n  pixel-llm map find plane.pxmap --near=0,0 --count 3\n  pixel-llm map find plane.pxmap --at=-500,-500 --size 1000x1000 --kind model',
    )
    .action(async (path: string, flags: FindFlags) => {
      const { at, size: both, near, count, name, kind, where: metadata, json = false } = flags;
      if (both && !at) throw new PixelError('bad-argument', 'map find: --size needs --at X,Y.');
      const { signal } = context;
      await using opened = openMap(path, { readOnly: true });
      const regions = await opened.find(
        {
          ...(at && (both ? { within: { ...at, ...both } } : { at })),
          ...(near && { near: { ...near, count } }),
          ...{ name, kind, metadata },
        },
        { signal },
      );
      await printRegions(regions, json, context);
      if (at && !both && !json) await printWeights(opened, regions, at, flags, context);
    });
}

/** Values of a block that are printed. */
const MOST_VALUES = 8;

async function printWeights(
  map: InfiniteMap,
  regions: readonly MapRegion[],
  point: Place,
  { overlay: overlays }: FindFlags,
  context: CommandContext,
): Promise<void> {
  const model = regions.find(({ mount, kind }) => mount && MODEL_KINDS.some((known) => known === kind));
  if (!model) return;
  const { signal } = context;
  const opened = await openMapModel(map, model.name, { overlays, signal });
  try {
    const found = await weightsAt(opened, point, { signal });
    if (!found) return context.note('No weights here: the head, the manifest, or space between planes.');
    const { tensor, type, plane, row, firstColumn, values } = found;
    const columns =
      values.length === 1
        ? `column ${firstColumn}`
        : `columns ${firstColumn} to ${firstColumn + Math.max(1, values.length) - 1}`;
    const shown = [...values.slice(0, MOST_VALUES)].map((value) => value.toPrecision(4)).join(', ');
    const more = values.length > MOST_VALUES ? ', ...' : '';
    await context.print(`${tensor} (${type}, ${plane}): row ${row}, ${columns}: ${shown}${more}\n`);
  } finally {
    await opened.weights.dispose();
  }
}

function registerLayers(map: Command, context: CommandContext): void {
  map
    .command('layers')
    .description("Write where a model's layers and tensors are on the plane, as JSON.")
    .argument('<map>', 'a .pxmap file')
    .requiredOption('--region <name>', 'the model')
    .option('--out <layers.json>', 'file to write (default: stdout)')
    .addHelpText('after', '\nExample:\n  pixel-llm map layers plane.pxmap --region model --out layers.json')
    .action(async (path: string, { region, out }: { region: string; out?: string }) => {
      await using opened = openMap(path, { readOnly: true });
      const model = await openMapModel(opened, region, { signal: context.signal });
      try {
        const json = `${JSON.stringify(locateLayers(model), undefined, 2)}\n`;
        if (out === undefined) await context.print(json);
        else await writeWhole(out, new TextEncoder().encode(json));
      } finally {
        await model.weights.dispose();
      }
    });
}
