/** `pixel-llm inspect`: what a model is, without reading a weight. */
import { PixelError } from '../core/errors.ts';
import { openAddressed } from '../map/node.ts';
import { openPictureSetFile, openSource, openWeightsFile } from '../pxi/node.ts';
import { recognizeModel } from '../pxi/open-weights.ts';
import { createPictureWeights } from '../pxi/picture-weights.ts';
import { inspectModel, type ModelReport } from '../pxi/view/inspect.ts';
import type { CommandContext, RegisterCommand } from './command.ts';
import { formatReport } from './inspect-page.ts';
import { cachedModel } from './local-model.ts';

const EXAMPLES = `
Places are given in both spaces. Weight space is what render draws: x, y and size, one unit a weight. The lines of the picture
are where the bytes lie; with --tensors, "qs 12+64" is the plane qs from pixel 64 of line 12 on.

Examples:
  pixel-llm inspect model.pxi.png
  pixel-llm inspect model.gguf --tensors
  pixel-llm inspect model.pxi.png --layer layer.3
  pixel-llm inspect model.gguf --json | jq .hyperParameters`;

interface InspectFlags {
  json?: boolean;
  layer?: string;
  tensors?: boolean;
}

export const registerInspect: RegisterCommand = (program, context) => {
  program
    .command('inspect')
    .description('Say what a model is: architecture, vocabulary, types, layers and where each tensor lies.')
    .argument('<model>', 'a .gguf or .pxi.png file or URL, or any file of a set')
    .option('--json', 'everything, as JSON')
    .option('--layer <id>', 'only this layer and its tensors: embedding, layer.0, ..., output, other')
    .option('--tensors', 'list the tensors of each layer')
    .addHelpText('after', EXAMPLES)
    .action(async (path: string, { json, layer, tensors }: InspectFlags) => {
      const whole = await inspectFile(await cachedModel(path), context);
      const report = layer === undefined ? whole : onlyLayer(whole, layer);
      const page = () => formatReport(report, { tensors: tensors ?? layer !== undefined });
      await context.print(json ? `${JSON.stringify(report, undefined, 2)}\n` : page());
    });
};

async function inspectFile(path: string, { signal }: CommandContext): Promise<ModelReport> {
  const mounted = await openAddressed(path, { signal });
  if (mounted) {
    try {
      return inspectModel(mounted.weights, { pictures: mounted.set });
    } finally {
      await mounted.weights.dispose();
    }
  }
  const file = await openSource(path, { signal });
  const format = await recognizeModel(file, { signal });
  await file.dispose();
  const pictures = format === 'picture' ? await openPictureSetFile(path, { signal }) : undefined;
  const source = pictures ? createPictureWeights(pictures) : await openWeightsFile(path, { signal });
  try {
    return inspectModel(source, pictures && { pictures });
  } finally {
    await source.dispose();
  }
}

function onlyLayer(report: ModelReport, wanted: string): ModelReport {
  const layers = report.layers.filter(({ id }) => id === wanted || id === `layer.${wanted}`);
  if (layers.length > 0) return { ...report, layers };
  const ids = report.layers.map(({ id }) => id).join(', ') || 'none';
  throw new PixelError('bad-argument', `The model has no layer "${wanted}". It has: ${ids}.`);
}
