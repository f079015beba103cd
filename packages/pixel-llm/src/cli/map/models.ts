/** What a map does with models: edits of weights, overlays, and what becomes of them. */
import type { Command } from 'commander';
import { PixelError } from '../../core/errors.ts';
import { columnsOf, rowsOf, type TensorInfo } from '../../gguf/head.ts';
import { type EditChange, type EditReport, editWeights } from '../../map/edit-weights.ts';
import { mapAddress, openMap, openModelContent, openModelWeights, pictureOf } from '../../map/node.ts';
import { saveDifference } from '../../map/save-difference.ts';
import type { RowRange } from '../../pxi/weight-source.ts';
import { type CommandContext, decimalNumber } from '../command.ts';
import { cachedModel } from '../local-model.ts';
import { isPictureName, writeModel } from '../model-output.ts';
import { formatBytes } from '../progress-bar.ts';
import { refuseSameFile } from '../same-file.ts';
import { range, several } from './flags.ts';

export function registerMapModels(map: Command, context: CommandContext): void {
  registerEdit(map, context);
  registerImport(map, context);
  registerOverlays(map, context);
  registerDrop(map, context);
  registerMerge(map, context);
}

interface EditFlags {
  region: string;
  overlay: string;
  tensor: string;
  rows?: Partial<RowRange>;
  columns?: Partial<RowRange>;
  set?: number;
  scale?: number;
  add?: number;
  zero?: boolean;
  json?: boolean;
}

const anyNumber = decimalNumber(Number.NEGATIVE_INFINITY);

function registerEdit(map: Command, context: CommandContext): void {
  map
    .command('edit')
    .description('Change weights of a mounted model, in an overlay: the picture stays as it is.')
    .argument('<map>', 'a .pxmap file')
    .requiredOption('--region <name>', 'the model')
    .requiredOption('--overlay <name>', 'the overlay to write into; it is made if it is not there')
    .requiredOption('--tensor <name>', 'which tensor (`pixel-llm inspect MODEL --tensors` lists them)')
    .option('--rows <a:b>', 'rows a to b, without b itself (default: all)', range)
    .option('--columns <c:d>', 'columns c to d, without d itself (default: all)', range)
    .option('--scale <v>', 'multiply each weight by v', anyNumber)
    .option('--set <v>', 'set each weight to v', anyNumber)
    .option('--add <v>', 'add v to each weight', anyNumber)
    .option('--zero', 'set each weight to 0')
    .option('--json', 'say how exact it was as JSON')
    .addHelpText(
      'after',
      `
Weights that are stored in blocks are quantized again block by block: how far what is stored is from what was asked for, and how far the other
weights of the same blocks moved, is told.

Examples:
  pixel-llm map edit plane.pxmap --region model --tensor blk.0.attn_output.weight --columns 0:32 --zero --overlay no-head
  pixel-llm map edit plane.pxmap --region model --tensor blk.3.ffn_down.weight --scale 1.1 --overlay louder`,
    )
    .action(async (path: string, flags: EditFlags) => {
      const change = changeOf(flags);
      await using opened = openMap(path);
      const report = await context.withProgress(async (onProgress) => {
        const tensor = await tensorOf(path, flags, context);
        const rows = wholeRange(flags.rows, rowsOf(tensor));
        const columns = wholeRange(flags.columns, columnsOf(tensor));
        const { region, overlay } = flags;
        const options = { signal: context.signal, onProgress };
        return await editWeights(opened, { region, overlay, tensor: tensor.name, rows, columns, change }, options);
      });
      if (flags.json) await context.print(`${JSON.stringify(report, null, 2)}\n`);
      else context.note(describeEdit(report, flags));
    });
}

function changeOf({ set, scale, add, zero }: EditFlags): EditChange {
  const changes: EditChange[] = [];
  if (set !== undefined) changes.push({ set });
  if (scale !== undefined) changes.push({ scale });
  if (add !== undefined) changes.push({ add });
  if (zero) changes.push({ set: 0 });
  const [change] = changes;
  if (change && changes.length === 1) return change;
  throw new PixelError('bad-argument', 'map edit needs one of --scale V, --set V, --add V and --zero.');
}

async function tensorOf(map: string, { region, tensor }: EditFlags, { signal }: CommandContext): Promise<TensorInfo> {
  const weights = await openModelWeights(mapAddress({ map, region, overlays: [] }), { signal });
  try {
    const found = weights.head.tensors.get(tensor);
    if (found) return found;
    throw new PixelError(
      'unknown-tensor',
      `${weights.name} has no tensor "${tensor}"; \`inspect --tensors\` lists those it has.`,
    );
  } finally {
    await weights.dispose();
  }
}

function wholeRange(given: Partial<RowRange> | undefined, count: number): RowRange {
  return { start: given?.start ?? 0, end: given?.end ?? count };
}

function describeEdit(report: EditReport, { overlay }: EditFlags): string {
  const { weights, tensor, type, tiles, largestError, meanError, neighbours, largestNeighbourChange } = report;
  const exact =
    largestError === 0
      ? 'exactly'
      : `to within ${largestError.toPrecision(3)} (mean ${meanError.toPrecision(3)}), as ${type} allows`;
  const others =
    largestNeighbourChange === 0
      ? 'no other weight moved'
      : `of ${neighbours} other weights in the same blocks none moved by more than ${largestNeighbourChange.toPrecision(3)}`;
  return `${weights} weights of ${tensor} changed in the overlay "${overlay}" (${tiles} tiles), ${exact}; ${others}.`;
}

function registerImport(map: Command, context: CommandContext): void {
  map
    .command('import')
    .description('Keep a changed model (a fine-tune) as an overlay of the mounted one: only what differs.')
    .argument('<map>', 'a .pxmap file')
    .argument('<model>', 'a .pxi.png or .gguf file with the same tensors, types and shapes')
    .requiredOption('--region <name>', 'the mounted model it was made from')
    .requiredOption('--overlay <name>', 'name of the new overlay')
    .addHelpText('after', '\nExample:\n  pixel-llm map import plane.pxmap tuned.pxi.png --region model --overlay tuned')
    .action(async (path: string, model: string, { region, overlay }: { region: string; overlay: string }) => {
      await using opened = openMap(path);
      const { signal } = context;
      const changed = await openModelWeights(await cachedModel(model), { signal });
      try {
        const saved = await context.withProgress((onProgress) =>
          saveDifference(opened, { region, overlay, changed }, { signal, onProgress }),
        );
        context.note(
          `"${overlay}": ${formatBytes(saved.bytes)} of ${saved.changed} of ${saved.tensors} tensors differ.`,
        );
      } finally {
        await changed.dispose();
      }
    });
}

function registerOverlays(map: Command, context: CommandContext): void {
  map
    .command('overlays')
    .description('List the overlays of a map, the oldest first.')
    .argument('<map>', 'a .pxmap file')
    .option('--json', 'as JSON')
    .addHelpText('after', '\nExample:\n  pixel-llm map overlays plane.pxmap')
    .action(async (path: string, { json }: { json?: boolean }) => {
      await using opened = openMap(path, { readOnly: true });
      const overlays = await opened.overlays({ signal: context.signal });
      if (json) return context.print(`${JSON.stringify(overlays, null, 2)}\n`);
      const width = Math.max(0, ...overlays.map(({ name }) => name.length));
      for (const { name, region } of overlays) {
        await context.print(region === undefined ? `${name}\n` : `${name.padEnd(width)}  of ${region}\n`);
      }
      if (overlays.length === 0) context.note('No overlays.');
    });
}

function registerDrop(map: Command, context: CommandContext): void {
  map
    .command('drop')
    .description('Drop an overlay: all that was written into it is undone.')
    .argument('<map>', 'a .pxmap file')
    .requiredOption('--overlay <name>', 'which one')
    .addHelpText('after', '\nExample:\n  pixel-llm map drop plane.pxmap --overlay no-head')
    .action(async (path: string, { overlay }: { overlay: string }) => {
      await using opened = openMap(path);
      await opened.dropOverlay(overlay);
      context.note(`"${overlay}" is dropped: what it changed is as it was.`);
    });
}

function registerMerge(map: Command, context: CommandContext): void {
  map
    .command('merge')
    .description('Write a model as it is through overlays to a file of its own.')
    .argument('<map>', 'a .pxmap file')
    .requiredOption('--region <name>', 'the model')
    .option('--overlay <name>', 'an overlay; may be given several times, the lowest first', several)
    .requiredOption('--out <file>', 'file to write: NAME.pxi.png or NAME.gguf')
    .addHelpText(
      'after',
      '\nExample:\n  pixel-llm map merge plane.pxmap --region model --overlay tuned --out tuned.pxi.png',
    )
    .action(async (path: string, flags: { region: string; overlay?: string[]; out: string }) => {
      isPictureName(flags.out);
      await refuseSameFile(path, flags.out);
      const address = mapAddress({ map: path, region: flags.region, overlays: flags.overlay ?? [] });
      const content = await openModelContent(address, { signal: context.signal });
      try {
        await writeModel(
          content,
          { inputs: [path, await mountedFile(path, flags.region)], output: flags.out },
          context,
        );
      } finally {
        await content.dispose();
      }
    });
}

/** The picture must not be written over while it is read. */
async function mountedFile(path: string, region: string): Promise<string> {
  await using opened = openMap(path, { readOnly: true });
  return pictureOf(path, (await opened.mountedRegion(region)).mount.path);
}
