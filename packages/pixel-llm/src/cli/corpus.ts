/** `pixel-llm corpus`: text to learn from, made by programs that know what is right. */
import { Argument, InvalidArgumentError, Option } from 'commander';
import type { ByteSink } from '../core/byte-sink.ts';
import { PixelError, throwIfAborted } from '../core/errors.ts';
import { openFileByteSink } from '../core/node.ts';
import { writeDocs } from '../train/corpora/docs.ts';
import { MOST_HOPS, SPATIAL_KINDS, type SpatialKind, writeRecall, writeSpatial } from '../train/corpora/spatial.ts';
import { judgeStory, writeStory } from '../train/corpora/stories.ts';
import { PARTS, type Part, withSteps } from '../train/tasks/question.ts';
import { type CommandContext, type RegisterCommand, wholeNumber } from './command.ts';
import { openTaskLines, TASK_CORPORA, type TaskCorpus } from './task-lines.ts';

const MADE_CORPORA = ['stories', 'spatial', 'docs'] as const;
const CORPORA = [...MADE_CORPORA, ...TASK_CORPORA];
type MadeCorpus = (typeof MADE_CORPORA)[number];
type CorpusName = MadeCorpus | TaskCorpus;

/** Lines of a made corpus unless --count says otherwise; of a task's files, all there are. */
const DEFAULT_COUNT = 1000;

interface CorpusFlags {
  seed: number;
  count?: number;
  first: number;
  from?: string[];
  part: Part;
  vary?: boolean;
  kind?: SpatialKind;
  mostHops: number;
  heldOut?: boolean;
  steps?: boolean;
  recall?: boolean;
  out?: string;
}

/** Lines gathered before they are written. */
const PIECE_LINES = 2000;

const EXAMPLES = `
Every line is one JSON object. stories: {"text"}. spatial: {"prompt", "completion", "kind", "hops"}.
docs: {"prompt", "completion"}, questions about Pixel-LLM with its documentation's answers. babi and stepgame: {"prompt", "completion", "kind"},
the questions of files in the formats of the bAbI tasks and of StepGame.
Line number N of a seed is always the same, so --first begins anywhere: keep apart what is learned and what is asked.

Examples:
  pixel-llm corpus stories --count 200000 --out stories.jsonl
  pixel-llm corpus spatial --seed 7 --count 5 --kind path
  pixel-llm corpus spatial --steps --count 100000 --out spatial.jsonl
  pixel-llm corpus spatial --first 1000000 --count 2000 --out held-out.jsonl
  pixel-llm corpus docs --held-out --count 500          # in wordings that are never learned
  pixel-llm corpus babi --from qa17_train.txt --part learned --vary --steps --count 100000 --out babi-17.jsonl
  pixel-llm corpus stepgame --from qa1_train.json qa2_train.json --part learned --vary --steps --count 60000`;

export const registerCorpus: RegisterCommand = (program, context) => {
  program
    .command('corpus')
    .summary('make text to learn from: stories, questions')
    .description(
      'Writes data to train on, as JSON lines: little stories of a pixel world, or questions about space or about Pixel-LLM with their answers.',
    )
    .addArgument(new Argument('<name>', 'which corpus').choices(CORPORA))
    .option('--seed <n>', 'another seed gives other lines', wholeNumber(0), 1)
    .option('--count <n>', `how many lines (default: ${DEFAULT_COUNT}; of files all)`, wholeNumber(1, 100_000_000))
    .option('--first <n>', 'the number of the first line', wholeNumber(0), 0)
    .option('--kind <kind>', `spatial: only one kind (${SPATIAL_KINDS.join(', ')})`, spatialKind)
    .option('--most-hops <n>', 'spatial: fewer make shorter lines, to begin with', wholeNumber(1, MOST_HOPS), MOST_HOPS)
    .option('--recall', 'spatial: instead of questions, facts to be told again from both ends')
    .option('--steps', 'spatial, babi, stepgame: answers with what to write down on the way to them')
    .option('--held-out', 'docs: only wordings that are otherwise never used')
    .option('--from <files...>', "babi, stepgame: files in the task's own format")
    .addOption(
      new Option('--part <part>', 'babi, stepgame: a tenth of the distinct stories is held out')
        .choices(PARTS)
        .default('all'),
    )
    .option(
      '--vary',
      'babi, stepgame: lines without end, with names exchanged and (babi) directions turned and mirrored',
    )
    .option('--out <file.jsonl>', 'the file to write (default: stdout)')
    .addHelpText('after', EXAMPLES)
    .action((name: CorpusName, flags: CorpusFlags) => corpus(name, flags, context));
};

async function corpus(name: CorpusName, flags: CorpusFlags, context: CommandContext): Promise<void> {
  const statistics = new Statistics();
  const { count: total, line } = await linesOf(name, flags, statistics, context);
  const sink = flags.out === undefined ? undefined : await openFileByteSink(flags.out);
  try {
    await context.withProgress(async (onProgress) => {
      for (let done = 0; done < total; done += PIECE_LINES) {
        throwIfAborted(context.signal);
        const count = Math.min(PIECE_LINES, total - done);
        const lines = Array.from({ length: count }, (_, i) => line(flags.first + done + i));
        await write(sink, `${lines.join('\n')}\n`, context);
        onProgress({ phase: 'writing', done: done + count, total, unit: 'lines' });
      }
    });
    await sink?.commit();
  } catch (error) {
    await sink?.abort();
    throw error;
  }
  for (const line of statistics.lines()) context.note(line);
}

interface Lines {
  readonly count: number;
  line(example: number): string;
}

async function linesOf(
  name: CorpusName,
  flags: CorpusFlags,
  statistics: Statistics,
  { signal }: CommandContext,
): Promise<Lines> {
  const { seed, first, from = [], part, vary = false, steps = false, count } = flags;
  if (name !== 'babi' && name !== 'stepgame') {
    if (from.length > 0 || vary)
      throw new PixelError('bad-argument', `corpus ${name} is made, not read: leave out --from and --vary.`);
    return { count: count ?? DEFAULT_COUNT, line: (example) => madeLine(name, flags, example, statistics) };
  }
  const task = await openTaskLines(name, { from, part, seed, vary, steps, signal });
  const left = vary ? Infinity : Math.max(0, task.count - first);
  const lines = Math.min(count ?? (vary ? task.count : left), left);
  if (lines === 0)
    throw new PixelError('bad-argument', `The files have ${task.count} questions in this part: none from ${first} on.`);
  return {
    count: lines,
    line(example) {
      const made = task.line(example);
      statistics.count(made.kind, made.prompt.length + made.completion.length + 1);
      return JSON.stringify(made);
    },
  };
}

function madeLine(
  name: MadeCorpus,
  { seed, kind, mostHops, heldOut, steps, recall }: CorpusFlags,
  example: number,
  statistics: Statistics,
): string {
  if (name === 'stories') {
    const text = writeStory(seed, example);
    statistics.count('story', text.length);
    // Judging is slow beside writing: some of them tell how much there is to learn.
    if (example % 100 === 0) statistics.judge(judgeStory(text)?.nats ?? 0);
    return JSON.stringify({ text });
  }
  if (name === 'docs') {
    const made = writeDocs(seed, example, heldOut);
    statistics.count('question', made.prompt.length + made.completion.length + 1);
    return JSON.stringify(made);
  }
  if (recall) {
    const made = writeRecall(seed, example, { kind, mostHops });
    statistics.count(made.kind, made.prompt.length + made.completion.length + 1);
    return JSON.stringify(made);
  }
  const { steps: written, ...made } = writeSpatial(seed, example, { kind, mostHops });
  const completion = steps ? withSteps(written, made.completion) : made.completion;
  statistics.count(made.kind, made.prompt.length + completion.length + 1);
  return JSON.stringify({ ...made, completion });
}

async function write(sink: ByteSink | undefined, text: string, context: CommandContext): Promise<void> {
  if (sink) await sink.write([new TextEncoder().encode(text)]);
  else await context.print(text);
}

class Statistics {
  readonly #kinds = new Map<string, { lines: number; characters: number }>();
  readonly #nats: number[] = [];

  count(kind: string, characters: number): void {
    const known = this.#kinds.get(kind) ?? { lines: 0, characters: 0 };
    this.#kinds.set(kind, { lines: known.lines + 1, characters: known.characters + characters });
  }

  judge(nats: number): void {
    this.#nats.push(nats);
  }

  lines(): string[] {
    const rows = [...this.#kinds].map(([kind, { lines, characters }]) => {
      return `${kind.padEnd(12)} ${String(lines).padStart(9)} lines, ${(characters / lines).toFixed(0)} characters each`;
    });
    if (this.#nats.length === 0) return rows;
    const mean = this.#nats.reduce((sum, nats) => sum + nats, 0) / this.#nats.length;
    return [...rows, `a perfect model needs ${mean.toFixed(2)} nats a story (mean of ${this.#nats.length})`];
  }
}

function spatialKind(text: string): SpatialKind {
  const kind = SPATIAL_KINDS.find((known) => known === text);
  if (kind) return kind;
  throw new InvalidArgumentError(`It must be one of ${SPATIAL_KINDS.join(', ')}.`);
}
