/** `pixel-llm finetune`: a model learns from data, in an adapter beside it or in its own weights. */
import '../backends/wasm/node.ts';
import { readModelIdentity } from '../engine/model-identity.ts';
import { metadataString } from '../gguf/head.ts';
import { openModelWeights } from '../map/node.ts';
import { buildProgram } from '../program/build-program.ts';
import type { WeightSource } from '../pxi/weight-source.ts';
import type { DataLine } from '../train/data-file.ts';
import { newAdapter } from '../train/new-adapter.ts';
import { parseRecipe } from '../train/recipe.ts';
import { type CommandContext, decimalNumber, type RegisterCommand, wholeNumber } from './command.ts';
import { readDataFiles } from './data-files.ts';
import { pulledModel } from './local-model.ts';
import { addTrainingFlags, openCheckpoint, runTraining, type Training, type TrainingFlags } from './training-run.ts';

const EXAMPLES = `
An adapter (LoRA) is a picture of its own: the model stays as it is, quantized or not, and \`run MODEL --adapter FILE\` uses the two together.
Data are JSON lines as for \`train\` (docs/training.md). What a model learns anew may cost it what it knew: --rehearse mixes in as many lines of what it
should keep as there are new ones.

Examples:
  pixel-llm finetune model.pxi.png --data facts.jsonl --out facts.pxi.png
  pixel-llm finetune model.pxi.png --data facts.jsonl --rehearse stories.jsonl --out facts.pxi.png --rank 16 --steps 600
  pixel-llm finetune model.pxi.png --data facts.jsonl --out whole.pxi.png --full
  pixel-llm merge model.pxi.png facts.pxi.png tuned.pxi.png`;

interface FinetuneFlags extends TrainingFlags {
  data: string[];
  rehearse?: string[];
  rank: number;
  alpha?: number;
  targets?: string[];
  full?: boolean;
  steps: number;
  stepTokens: number;
  learningRate?: number;
  seed: number;
}

/** An adapter takes larger steps than whole weights, of which all move. */
const LEARNING_RATES = { adapter: 0.003, full: 0.0005 };

export const registerFinetune: RegisterCommand = (program, context) => {
  const command = program
    .command('finetune')
    .summary('teach a model more, in an adapter beside it')
    .description('Trains a low-rank adapter of a model (or, with --full, the model itself) on JSON lines of text.')
    .argument('<model>', 'a .pxi.png or .gguf file or URL (any file of a set)')
    .requiredOption('--data <files...>', 'what to learn')
    .option('--rehearse <files...>', 'what to keep: as many of these lines are learned again as there are new ones')
    .option('--rank <n>', 'columns between A and B: more hold more', wholeNumber(1, 1024), 8)
    .option('--alpha <x>', "the adapter's weight is alpha / rank (default: twice the rank)", decimalNumber(0.001))
    .option(
      '--targets <parts...>',
      'adapt only weights with one of these in their names, like attn_q (default: all of the layers)',
    )
    .option('--full', 'train all weights of the model: the result is a model, in F32')
    .option('--steps <n>', 'steps to take', wholeNumber(1), 400)
    .option('--step-tokens <n>', 'tokens that a step learns from, about', wholeNumber(1), 2048)
    .option(
      '--learning-rate <x>',
      `the highest (default: ${LEARNING_RATES.adapter}; with --full ${LEARNING_RATES.full})`,
      decimalNumber(0),
    )
    .option('--seed <n>', 'first weights, and the order of the data', wholeNumber(0), 1);
  addTrainingFlags(command, 'adapter')
    .addHelpText('after', EXAMPLES)
    .action((model: string, flags: FinetuneFlags) => finetune(model, flags, context));
};

async function finetune(given: string, flags: FinetuneFlags, context: CommandContext): Promise<void> {
  const path = await pulledModel(given, context);
  const lines = await readDataFiles(flags.data);
  const kept = flags.rehearse ? everySoMany(await readDataFiles(flags.rehearse), lines.length) : [];
  const text = recipeOf(path, flags);
  const recipe = parseRecipe('the options', text);
  const base = await openModelWeights(path, { signal: context.signal });
  try {
    const told = { title: path, recipe, text, lines: [...lines, ...kept] };
    const { training, dispose } = await (flags.full ? wholeTraining : adapterTraining)(base, told, flags, context);
    try {
      await runTraining(training, flags, context);
    } finally {
      await dispose();
    }
  } finally {
    await base.dispose();
  }
}

type Told = Pick<Training, 'title' | 'recipe' | 'text' | 'lines'>;
interface Prepared {
  readonly training: Training;
  dispose(): Promise<void>;
}

async function wholeTraining(
  base: WeightSource,
  told: Told,
  flags: FinetuneFlags,
  context: CommandContext,
): Promise<Prepared> {
  const kept = await openCheckpoint(flags, told.text, context);
  if (!kept) return { training: { ...told, base }, dispose: async () => {} };
  return { training: { ...told, base: kept.source, resumed: kept.resumed }, dispose: () => kept.source.dispose() };
}

async function adapterTraining(
  base: WeightSource,
  told: Told,
  flags: FinetuneFlags,
  context: CommandContext,
): Promise<Prepared> {
  const kept = await openCheckpoint(flags, told.text, context);
  if (kept) {
    const training = { ...told, base, adapter: kept.source, resumed: kept.resumed };
    return { training, dispose: () => kept.source.dispose() };
  }
  const program = buildProgram(base.head);
  const { rank, alpha = 2 * rank, targets, seed, out } = flags;
  const sha256 = await readModelIdentity(base, program, { signal: context.signal });
  const baseName = metadataString(base.head.metadata, 'general.name') ?? base.name;
  const options = { rank, alpha, targets, seed, name: `${baseName}, tuned`, base: { name: baseName, sha256 } };
  const adapter = newAdapter(base.head, program, options);
  context.note(`${out}: an adapter of ${adapter.head.tensors.size / 2} weights, rank ${rank}`);
  return { training: { ...told, base, adapter }, dispose: () => adapter.dispose() };
}

/** All that decides what is learned, as JSON: a checkpoint goes on only with the same. */
function recipeOf(model: string, flags: FinetuneFlags): string {
  const { data, rehearse = [], steps, stepTokens, seed, full = false } = flags;
  const learningRate = flags.learningRate ?? LEARNING_RATES[full ? 'full' : 'adapter'];
  const warmUpSteps = Math.min(20, Math.floor(steps / 10));
  return JSON.stringify({
    ...{ model: { from: model }, data: [...data, ...rehearse], heldOut: 0, steps, stepTokens, learningRate },
    ...{ warmUpSteps, weightDecay: 0, beta2: 0.99, seed },
  });
}

/** So many of the lines, from all over them. */
function everySoMany(lines: readonly DataLine[], count: number): DataLine[] {
  const most = Math.min(count, lines.length);
  return Array.from({ length: most }, (_, i) => lines[Math.floor((i * lines.length) / most)]!);
}
