/** A training as a command runs it: shown, logged, saved, stopped and gone on with. */
import { type Command, Option } from 'commander';
import { selectTraining } from '../backends/select-training.ts';
import type { DeviceName } from '../backends/types.ts';
import '../backends/webgpu/node.ts';
import type { ProductPrecision } from '../backends/webgpu/training/product-kernels.ts';
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
import { sampleText } from '../train/sample-text.ts';
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
  device: 'auto' | DeviceName;
  threads?: number;
  exact?: boolean;
  precision: ProductPrecision;
  gpuAdapter?: string;
  sample: boolean;
  log?: string;
  json?: boolean;
}

export function addTrainingFlags(command: Command, out: string): Command {
  return command
    .requiredOption(`--out <${out}.pxi.png>`, `where the finished ${out} goes`)
    .option('--checkpoint <file>', `where the training is kept (default: beside the ${out})`)
    .option('--minutes <n>', 'stop after so many minutes, with a checkpoint', decimalNumber(0.001))
    .option('--checkpoint-minutes <n>', 'write a checkpoint every so many minutes', decimalNumber(0.001), 2)
    .addOption(
      new Option('--device <name>', 'what to train on: auto is a GPU where there is one')
        .choices(['auto', 'gpu', 'cpu', 'reference'])
        .default('auto'),
    )
    .option('--threads <n>', 'cpu: threads to compute with (default: physical cores)', wholeNumber(1, 64))
    .option('--exact', 'cpu: without relaxed SIMD, the same bytes on every machine')
    .addOption(
      new Option('--precision <type>', 'gpu: what products multiply; f16 is mixed precision')
        .choices(['f32', 'f16'])
        .default('f32'),
    )
    .option('--gpu-adapter <name>', "a part of the GPU adapter's name, software adapters too (default: a real GPU)")
    .option('--no-sample', 'do not let the model write a sample of what it has learned now and then')
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
      load: await selectTraining(flags.device, { ...flags, build: flags.exact ? 'plain' : undefined }),
      ...(resumed && { state: resumed.state }),
      async onStep(report, current) {
        saves.latest = current;
        const isMeasured = report.step % recipe.measureEvery === 0 || report.step === recipe.steps;
        // A different line each time.
        const line = lines[Math.floor(report.step / recipe.measureEvery) % lines.length]!;
        const sample =
          flags.sample && isMeasured
            ? await sampleText(base, adapter, current.weights, line, { threads: flags.threads, signal })
            : undefined;
        if (flags.json) await context.print(`${JSON.stringify({ ...report, ...(sample && { sample }) })}\n`);
        display.show(report, sample);
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
