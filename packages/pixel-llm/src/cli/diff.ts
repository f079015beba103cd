/** `pixel-llm diff`: what changed between two models of one shape, as a table and as a picture. */
import { PixelError } from '../core/errors.ts';
import { openModelWeights } from '../map/node.ts';
import { diffModels } from '../pxi/view/diff.ts';
import { drawDiff } from '../pxi/view/render-diff.ts';
import { DRAWING_WIDTHS } from '../pxi/view/render-plan.ts';
import type { WeightSource } from '../pxi/weight-source.ts';
import { type CommandContext, type RegisterCommand, wholeNumber } from './command.ts';
import { formatDiff } from './diff-page.ts';
import { checkDrawingName, writeDrawing } from './drawing-output.ts';
import { cachedModel } from './local-model.ts';

const EXAMPLES = `
Weights are compared by their values, however each model stores them; tensors and shapes must be the same. Sizes are of B - A, and
the mean is over all weights, changed or not. In the picture every weight has the place that render gives it: dark is unchanged,
blue went down, amber went up. The exit code is 0 whether or not the models differ.

Examples:
  pixel-llm diff before.pxi.png after.pxi.png
  pixel-llm diff model.gguf tuned.gguf changes.png --tensors
  pixel-llm diff model-f16.gguf model-q8.gguf rounding.png --width 4000
  pixel-llm diff plane.pxmap#model plane.pxmap#model+tuned changes.png
  pixel-llm diff a.gguf b.pxi.png --json | jq .changed`;

interface DiffFlags {
  json?: boolean;
  tensors?: boolean;
  width?: number;
}

export const registerDiff: RegisterCommand = (program, context) => {
  program
    .command('diff')
    .description('Say and draw what changed between two models of one shape.')
    .argument('<a>', 'a .gguf or .pxi.png file or URL, or any file of a set')
    .argument('<b>', 'the same, of the model it became')
    .argument('[out.png]', 'a drawing of the changes to write')
    .option('--json', 'everything, as JSON')
    .option('--tensors', 'list the tensors of each layer that changed')
    .option(
      '--width <pixels>',
      'the most pixels across of the drawing (default: about 1800)',
      wholeNumber(DRAWING_WIDTHS.least, DRAWING_WIDTHS.most),
    )
    .addHelpText('after', EXAMPLES)
    .action((a: string, b: string, output: string | undefined, flags: DiffFlags) =>
      diff({ a, b, output }, flags, context),
    );
};

async function diff(
  { a, b, output }: { a: string; b: string; output: string | undefined },
  { json, tensors, width }: DiffFlags,
  context: CommandContext,
): Promise<void> {
  const { signal } = context;
  if (output !== undefined) await checkDrawingName(output, [a, b]);
  else if (width !== undefined) {
    throw new PixelError('bad-argument', '--width is of the drawing: name the file for it, as in diff A B OUT.png.');
  }
  const before = await openDiffSource(a, context);
  try {
    const after = await openDiffSource(b, context);
    try {
      const { diff: found, image } = await context.withProgress(async (onProgress) => {
        if (output !== undefined) return drawDiff(before, after, { width, signal, onProgress });
        return { diff: await diffModels(before, after, { signal, onProgress }), image: undefined };
      });
      await context.print(json ? `${JSON.stringify(found, undefined, 2)}\n` : formatDiff(found, { tensors }));
      if (output !== undefined && image) await writeDrawing(output, image, 'diff', context);
    } finally {
      await after.dispose();
    }
  } finally {
    await before.dispose();
  }
}

/** One of the two models, by whatever names a model here. */
async function openDiffSource(nameOrPath: string, { signal }: CommandContext): Promise<WeightSource> {
  return openModelWeights(await cachedModel(nameOrPath), { signal });
}
