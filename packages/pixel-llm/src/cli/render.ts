/** `pixel-llm render`: the picture of a model that a person looks at. */
import { PixelError } from '../core/errors.ts';
import { openModelWeights } from '../map/node.ts';
import { renderModel, renderTensor } from '../pxi/view/render.ts';
import { DRAWING_WIDTHS } from '../pxi/view/render-plan.ts';
import { type RegisterCommand, wholeNumber } from './command.ts';
import { checkDrawingName, writeDrawing } from './drawing-output.ts';
import { cachedModel } from './local-model.ts';

const EXAMPLES = `
Every weight has its place: the embedding on top, the layers below, the output last. Bright is large, blue is negative, amber
is positive. A small model is drawn weight by weight, a large one in cells. The drawing is an ordinary PNG, not a model.

Examples:
  pixel-llm render model.pxi.png view.png
  pixel-llm render model.gguf wide.png --width 4000
  pixel-llm render model.gguf query.png --tensor blk.0.attn_q.weight`;

interface RenderFlags {
  tensor?: string;
  width?: number;
}

export const registerRender: RegisterCommand = (program, context) => {
  program
    .command('render')
    .description('Draw the weights of a model as a picture to look at.')
    .argument('<model>', 'a .gguf or .pxi.png file or URL, or any file of a set')
    .argument('<out.png>', 'the drawing to write')
    .option('--tensor <name>', 'draw this tensor only, weight by weight if it fits')
    .option(
      '--width <pixels>',
      'the most pixels across (default: about 1800)',
      wholeNumber(DRAWING_WIDTHS.least, DRAWING_WIDTHS.most),
    )
    .addHelpText('after', EXAMPLES)
    .action(async (path: string, output: string, { tensor, width }: RenderFlags) => {
      await checkDrawingName(output, [path]);
      const source = await openModelWeights(await cachedModel(path), { signal: context.signal });
      try {
        if (tensor !== undefined && !source.head.tensors.has(tensor)) {
          throw new PixelError(
            'bad-argument',
            `${path} has no tensor "${tensor}"; \`inspect --tensors\` lists those it has.`,
          );
        }
        const image = await context.withProgress((onProgress) => {
          const options = { width, signal: context.signal, onProgress };
          return tensor === undefined ? renderModel(source, options) : renderTensor(source, tensor, options);
        });
        await writeDrawing(output, image, 'render', context);
      } finally {
        await source.dispose();
      }
    });
};
