/** `pixel-llm merge`: a model and an adapter become one model. */
import { Option } from 'commander';
import { checkAdapterBase } from '../engine/adapter-base.ts';
import { mergeContent } from '../pxi/convert/merged-content.ts';
import { requantizableTypes, requantizeContent } from '../pxi/convert/requantized-content.ts';
import { openContentFile, openWeightsFile } from '../pxi/node.ts';
import type { CommandContext, RegisterCommand } from './command.ts';
import { cachedModel } from './local-model.ts';
import { isPictureName, writeModel } from './model-output.ts';
import { refuseSameFile } from './same-file.ts';

const EXAMPLES = `
The adapted weights are stored as the model's were, so that a quantized model stays as small as it was; what rounding them again costs is told. --type
stores all matrices in another type, from the exact sums.

Examples:
  pixel-llm merge model.pxi.png adapter.pxi.png tuned.pxi.png
  pixel-llm merge model-q4.gguf adapter.pxi.png tuned.gguf --type F16`;

export const registerMerge: RegisterCommand = (program, context) => {
  program
    .command('merge')
    .description('Merge an adapter into its model.')
    .argument('<model>', 'a .pxi.png or .gguf file (any file of a set)')
    .argument('<adapter>', 'what `finetune` wrote, or a LoRA adapter as GGUF')
    .argument('<out>', 'file to write: NAME.pxi.png or NAME.gguf')
    .addOption(new Option('--type <type>', 'store the weight matrices in this type').choices(requantizableTypes()))
    .addHelpText('after', EXAMPLES)
    .action((model: string, adapter: string, out: string, flags: { type?: string }) =>
      merge({ model, adapter, out }, flags, context),
    );
};

async function merge(
  { model, adapter: adapterPath, out }: { model: string; adapter: string; out: string },
  { type }: { type?: string },
  context: CommandContext,
): Promise<void> {
  const { signal } = context;
  isPictureName(out);
  for (const input of [model, adapterPath]) await refuseSameFile(input, out);
  const path = await cachedModel(model);
  const base = await openWeightsFile(path, { signal });
  const source = await openWeightsFile(adapterPath, { signal });
  try {
    const adapter = await checkAdapterBase(base, source, { signal });
    const content = await openContentFile(path, { signal });
    try {
      const merged = await mergeContent(content, { source, adapter }, { asF32: type !== undefined, signal });
      const stored = type === undefined ? merged.content : requantizeContent(merged.content, type).content;
      await writeModel(stored, { inputs: [path, adapterPath], output: out }, context);
      const { error, total } = merged.cost;
      context.note(`${adapter.weights.size} weights merged, ${costOf(Math.sqrt(error / total), type)}`);
    } finally {
      await content.dispose();
    }
  } finally {
    await source.dispose();
    await base.dispose();
  }
}

function costOf(share: number, type: string | undefined): string {
  if (type !== undefined) return `stored as ${type}`;
  return share === 0 ? 'stored exactly' : `stored to within ${(100 * share).toPrecision(2)} % (root mean square)`;
}
