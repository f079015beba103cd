/** A training as a command runs it: shown, logged, saved, stopped and gone on with. */
import type { Command } from 'commander';
import { loadCpuTraining } from '../backends/wasm/training/training-executor.ts';
import { isPixelError, PixelError } from '../core/errors.ts';
import { openFileByteSink, pathExists } from '../core/node.ts';
import { openWeightsFile } from '../pxi/node.ts';
import type { WeightSource } from '../pxi/weight-source.ts';
import {
  type Checkpoint,
  modelOfCheckpoint,
  readCheckpoint,
  writeCheckpoint,
  writeTrainedModel,
} from '../train/checkpoint.ts';
import type { DataLine } from '../train/data-file.ts';
import type { Recipe } from '../train/recipe.ts';
import { trainModel } from '../train/train-model.ts';
import type { TrainerState } from '../train/trainer.ts';
import { type CommandContext, decimalNumber, wholeNumber } from './command.ts';
import { LossLog } from './loss-log.ts';
import { TrainingDisplay } from './training-display.ts';

export interface TrainingFlags {
  out: string;
  checkpoint?: string;
  minutes?: number;
  checkpointMinutes: number;
  threads?: number;
  exact?: boolean;
  log?: string;
  json?: boolean;
}

export function addTrainingFlags(command: Command, out: string): Command {
  return command
    .requiredOption(`--out <${out}.pxi.png>`, `where the finished ${out} goes`)
    .option('--checkpoint <file>', `where the training is kept (default: beside the ${out})`)
    .option('--minutes <n>', 'stop after so many minutes, with a checkpoint', decimalNumber(0.001))
    .option('--checkpoint-minutes <n>', 'write a checkpoint every so many minutes', decimalNumber(0.001), 2)
    .option('--threads <n>', 'threads to compute with (default: physical cores)', wholeNumber(1, 64))
    .option('--exact', 'without relaxed SIMD: the same bytes on every machine')
    .option('--log <file.jsonl>', 'keep every step, and draw the losses beside it (file.png)')
    .option('--json', 'write one JSON object a step to stdout');
}

/** What learns, and what it was told. */
export interface Training {
  readonly title: string;
  readonly recipe: Recipe;
  /** The recipe as a checkpoint keeps it: another text is another training. */
  readonly text: string;
  readonly base: WeightSource;
  readonly adapter?: WeightSource;
  readonly lines: readonly DataLine[];
  readonly resumed?: Checkpoint;
}

function checkpointPathOf({ checkpoint, out }: TrainingFlags): string {
  return checkpoint ?? out.replace(/(\.pxi)?(\.png)?$/, '.checkpoint.pxi.png');
}

/** The checkpoint of an earlier run of the same training, if there is one. Throws `bad-data` for one of another training. */
export async function openCheckpoint(
  flags: TrainingFlags,
  text: string,
  context: CommandContext,
): Promise<{ source: WeightSource; resumed: Checkpoint } | undefined> {
  const path = checkpointPathOf(flags);
  if (!(await pathExists(path))) return undefined;
  const source = await openWeightsFile(path);
  const resumed = await readCheckpoint(source);
  if (resumed.recipe !== text) {
    await source.dispose();
    throw new PixelError(
      'bad-data',
      `${path} was made by another recipe. Remove it to begin anew, or name another with --checkpoint.`,
    );
  }
  context.note(`${path}: going on after step ${resumed.state.step}`);
  return { source: modelOfCheckpoint(source), resumed };
}

/** Trains to the end, or until it is stopped, which leaves a checkpoint. */
export async function runTraining(training: Training, flags: TrainingFlags, context: CommandContext): Promise<void> {
  const { title, recipe, text, base, adapter, lines, resumed } = training;
  const { signal } = context;
  const checkpointPath = checkpointPathOf(flags);
  const learner = adapter ?? base;
  const saves = new Saves(learner, checkpointPath, text);
  const log = flags.log === undefined ? undefined : await LossLog.open(flags.log, title, resumed?.state.step ?? 0);
  const display = new TrainingDisplay(process.stderr, recipe.steps, resumed?.state.step ?? 0);
  const deadline = flags.minutes === undefined ? Infinity : performance.now() + flags.minutes * 60_000;
  const timeUp = new AbortController();
  let saved = performance.now();
  try {
    const state = await trainModel({
      ...{ recipe, base, adapter, lines, signal: AbortSignal.any([signal, timeUp.signal]) },
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
    await writeTrainedModel(learner, state.weights, () => openFileByteSink(flags.out));
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
  }
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
