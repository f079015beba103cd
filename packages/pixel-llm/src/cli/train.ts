/** `pixel-llm train`: a model learns from data, as a recipe says; it can be stopped at any time and goes on where it was. */
import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import '../backends/wasm/node.ts';
import { loadCpuTraining } from '../backends/wasm/training/training-executor.ts';
import { isPixelError, PixelError } from '../core/errors.ts';
import { openFileByteSink, pathExists } from '../core/node.ts';
import { openWeightsFile } from '../pxi/node.ts';
import type { WeightSource } from '../pxi/weight-source.ts';
import { type Checkpoint, readCheckpoint, writeCheckpoint, writeTrainedModel } from '../train/checkpoint.ts';
import { type DataLine, parseDataFile, textOf } from '../train/data-file.ts';
import { newModel } from '../train/new-model.ts';
import { parseRecipe, type Recipe } from '../train/recipe.ts';
import { trainTokenizer } from '../train/tokenizer-training.ts';
import { trainModel } from '../train/train-model.ts';
import type { TrainerState } from '../train/trainer.ts';
import { type CommandContext, decimalNumber, type RegisterCommand, wholeNumber } from './command.ts';
import { LossLog } from './loss-log.ts';
import { readTextFile } from './text-input.ts';
import { TrainingDisplay } from './training-display.ts';

interface TrainFlags {
  out: string;
  checkpoint?: string;
  minutes?: number;
  checkpointMinutes: number;
  threads?: number;
  exact?: boolean;
  log?: string;
  json?: boolean;
}

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
  program
    .command('train')
    .summary('train a model from data')
    .description('Trains a model, new or not, on JSON lines of text; stops and goes on at any time.')
    .argument('<recipe.json>', 'what to train, on what, how long')
    .requiredOption('--out <model.pxi.png>', 'where the finished model goes')
    .option('--checkpoint <file>', 'where the training is kept (default: beside the model)')
    .option('--minutes <n>', 'stop after so many minutes, with a checkpoint', decimalNumber(0.001))
    .option('--checkpoint-minutes <n>', 'write a checkpoint every so many minutes', decimalNumber(0.001), 2)
    .option('--threads <n>', 'threads to compute with (default: physical cores)', wholeNumber(1, 64))
    .option('--exact', 'without relaxed SIMD: the same bytes on every machine')
    .option('--log <file.jsonl>', 'keep every step, and draw the losses beside it (file.png)')
    .option('--json', 'write one JSON object a step to stdout')
    .addHelpText('after', EXAMPLES)
    .action((path: string, flags: TrainFlags) => train(path, flags, context));
};

async function train(path: string, flags: TrainFlags, context: CommandContext): Promise<void> {
  const { signal } = context;
  const text = await readTextFile(path, signal);
  const recipe = parseRecipe(path, text);
  const folder = dirname(path);
  const lines = await readData(recipe, folder);
  const checkpointPath = flags.checkpoint ?? flags.out.replace(/(\.pxi)?(\.png)?$/, '.checkpoint.pxi.png');
  const { base, resumed } = await openBase(recipe, { folder, lines, checkpointPath, text, context });
  const saves = new Saves(base, checkpointPath, text);
  const log =
    flags.log === undefined ? undefined : await LossLog.open(flags.log, recipeTitle(recipe), resumed?.state.step ?? 0);
  const display = new TrainingDisplay(process.stderr, recipe.steps, resumed?.state.step ?? 0);
  const deadline = flags.minutes === undefined ? Infinity : performance.now() + flags.minutes * 60_000;
  const timeUp = new AbortController();
  let saved = performance.now();
  try {
    const state = await trainModel({
      ...{ recipe, base, lines, signal: AbortSignal.any([signal, timeUp.signal]) },
      load: loadCpuTraining({ threads: flags.threads, ...(flags.exact && { build: 'plain' as const }) }),
      ...(resumed && { state: resumed.state }),
      async onStep(report, current) {
        saves.latest = current;
        if (flags.json) await context.print(`${JSON.stringify(report)}\n`);
        display.show(report);
        await log?.add(report);
        const now = performance.now();
        if (now - saved > flags.checkpointMinutes * 60_000) {
          await saves.write();
          await log?.draw();
          saved = performance.now();
        }
        if (now > deadline) timeUp.abort();
      },
    });
    await writeTrainedModel(base, state.weights, () => openFileByteSink(flags.out));
    await log?.draw();
    display.end();
    context.note(`${flags.out}: trained in ${state.step} steps`);
  } catch (error) {
    display.end();
    if (!isPixelError(error, 'aborted')) throw error;
    await saves.write();
    await log?.draw();
    if (saves.latest)
      context.note(
        `${checkpointPath}: stopped after step ${saves.latest.step} of ${recipe.steps}; the same command goes on`,
      );
    if (!timeUp.signal.aborted) throw error;
  } finally {
    await base.dispose();
  }
}

function recipeTitle({ model }: Recipe): string {
  return 'from' in model ? model.from : model.shape.name;
}

/** Writes the latest state, whenever it is asked to. */
class Saves {
  latest: TrainerState | undefined;
  readonly #base: WeightSource;
  readonly #path: string;
  readonly #recipe: string;

  constructor(base: WeightSource, path: string, recipe: string) {
    this.#base = base;
    this.#path = path;
    this.#recipe = recipe;
  }

  async write(): Promise<void> {
    if (!this.latest) return;
    const checkpoint: Checkpoint = { state: this.latest, recipe: this.#recipe };
    await writeCheckpoint(this.#base, checkpoint, () => openFileByteSink(this.#path));
  }
}

async function readData({ data }: Recipe, folder: string): Promise<DataLine[]> {
  const lines: DataLine[] = [];
  for (const name of data) {
    const path = resolve(folder, name);
    const content = await readFile(path, 'utf8').catch((cause: unknown) => {
      throw new PixelError('file-not-found', `The data file ${path} cannot be read.`, { cause });
    });
    // Not push(...): a corpus has more lines than a call takes arguments.
    for (const line of parseDataFile(name, content)) lines.push(line);
  }
  return lines;
}

interface BaseOptions {
  readonly folder: string;
  readonly lines: readonly DataLine[];
  readonly checkpointPath: string;
  readonly text: string;
  readonly context: CommandContext;
}

/** The checkpoint if there is one, else what the recipe begins with. */
async function openBase(
  { model, seed }: Recipe,
  { folder, lines, checkpointPath, text, context }: BaseOptions,
): Promise<{ base: WeightSource; resumed?: Checkpoint }> {
  if (await pathExists(checkpointPath)) {
    const base = await openWeightsFile(checkpointPath);
    const resumed = await readCheckpoint(base);
    if (resumed.recipe !== text) {
      await base.dispose();
      throw new PixelError(
        'bad-data',
        `${checkpointPath} was made by another recipe. Remove it to begin anew, or name another with --checkpoint.`,
      );
    }
    context.note(`${checkpointPath}: going on after step ${resumed.state.step}`);
    return { base, resumed };
  }
  if ('from' in model) return { base: await openWeightsFile(resolve(folder, model.from)) };
  const { shape, tokenizer } = model;
  return { base: newModel(shape, await trainTokenizer(lines.map(textOf), tokenizer), seed) };
}
