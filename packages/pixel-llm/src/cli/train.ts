/** `pixel-llm train`: a model learns from data, as a recipe says; it can be stopped at any time and goes on where it was. */
import { dirname, resolve } from 'node:path';
import '../backends/wasm/node.ts';
import { openWeightsFile } from '../pxi/node.ts';
import type { WeightSource } from '../pxi/weight-source.ts';
import type { Checkpoint } from '../train/checkpoint.ts';
import { type DataLine, textOf } from '../train/data-file.ts';
import { newModel } from '../train/new-model.ts';
import { parseRecipe, type Recipe } from '../train/recipe.ts';
import { trainTokenizer } from '../train/tokenizer-training.ts';
import type { CommandContext, RegisterCommand } from './command.ts';
import { readDataFiles } from './data-files.ts';
import { readTextFile } from './text-input.ts';
import { addTrainingFlags, openCheckpoint, runTraining, type TrainingFlags } from './training-run.ts';

const EXAMPLES = `
The recipe is JSON: what model, which data, how long (docs/training.md has every field and its default):
  {"model": {"shape": {"name": "tiny", "dim": 64, "layers": 2, "heads": 4, "kvHeads": 2, "hidden": 192,
                       "contextLength": 256}, "tokenizer": {"vocabulary": 512}},
   "data": ["stories.jsonl"], "steps": 500}

The checkpoint stands beside the model (tiny.checkpoint.pxi.png for tiny.pxi.png). The command begins anew where there
is none, and goes on where there is one; Ctrl-C and --minutes save it. Killed, a training loses at most the
minutes since the last one. A checkpoint is a model too: render, inspect and run take it.

Examples:
  pixel-llm corpus stories --count 20000 --out stories.jsonl
  pixel-llm train tiny.json --out tiny.pxi.png
  pixel-llm train tiny.json --out tiny.pxi.png --minutes 45 --log losses.jsonl`;

export const registerTrain: RegisterCommand = (program, context) => {
  const command = program
    .command('train')
    .summary('train a model from data')
    .description('Trains a model, new or not, on JSON lines of text; stops and goes on at any time.')
    .argument('<recipe.json>', 'what to train, on what, how long');
  addTrainingFlags(command, 'model')
    .addHelpText('after', EXAMPLES)
    .action((path: string, flags: TrainingFlags) => train(path, flags, context));
};

async function train(path: string, flags: TrainingFlags, context: CommandContext): Promise<void> {
  const text = await readTextFile(path, context.signal);
  const recipe = parseRecipe(path, text);
  const folder = dirname(path);
  const lines = await readDataFiles(recipe.data, folder);
  const { base, resumed } = await openBase({ recipe, text, folder, lines }, flags, context);
  try {
    const title = 'from' in recipe.model ? recipe.model.from : recipe.model.shape.name;
    await runTraining({ title, recipe, text, base, lines, ...(resumed && { resumed }) }, flags, context);
  } finally {
    await base.dispose();
  }
}

interface Told {
  readonly recipe: Recipe;
  readonly text: string;
  readonly folder: string;
  readonly lines: readonly DataLine[];
}

/** The checkpoint if there is one, else what the recipe begins with. */
async function openBase(
  { recipe: { model, seed }, text, folder, lines }: Told,
  flags: TrainingFlags,
  context: CommandContext,
): Promise<{ base: WeightSource; resumed?: Checkpoint }> {
  const kept = await openCheckpoint(flags, text, context);
  if (kept) return { base: kept.source, resumed: kept.resumed };
  if ('from' in model) return { base: await openWeightsFile(resolve(folder, model.from)) };
  const { shape, tokenizer } = model;
  return { base: newModel(shape, await trainTokenizer(lines.map(textOf), tokenizer), seed) };
}
