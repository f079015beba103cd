/** `pixel-llm corpus`: text to learn from, made by programs that know what is right. */
import { Argument, InvalidArgumentError } from 'commander';
import type { ByteSink } from '../core/byte-sink.ts';
import { throwIfAborted } from '../core/errors.ts';
import { openFileByteSink } from '../core/node.ts';
import { writeDocs } from '../train/corpora/docs.ts';
import { SPATIAL_KINDS, type SpatialKind, withSteps, writeSpatial } from '../train/corpora/spatial.ts';
import { judgeStory, writeStory } from '../train/corpora/stories.ts';
import { type CommandContext, type RegisterCommand, wholeNumber } from './command.ts';

const CORPORA = ['stories', 'spatial', 'docs'] as const;
type CorpusName = (typeof CORPORA)[number];

interface CorpusFlags {
  seed: number;
  count: number;
  first: number;
  kind?: SpatialKind;
  heldOut?: boolean;
  steps?: boolean;
  out?: string;
}

/** Lines gathered before they are written. */
const PIECE_LINES = 2000;

const EXAMPLES = `
Every line is one JSON object. stories: {"text"}. spatial: {"prompt", "completion", "kind", "hops"}.
docs: {"prompt", "completion"}, questions about Pixel-LLM with its documentation's answers.
Line number N of a seed is always the same, so --first begins anywhere: keep apart what is learned and what is asked.

Examples:
  pixel-llm corpus stories --count 200000 --out stories.jsonl
  pixel-llm corpus spatial --seed 7 --count 5 --kind path
  pixel-llm corpus spatial --steps --count 100000 --out spatial.jsonl
  pixel-llm corpus spatial --first 1000000 --count 2000 --out held-out.jsonl
  pixel-llm corpus docs --held-out --count 500          # in wordings that are never learned`;

export const registerCorpus: RegisterCommand = (program, context) => {
  program
    .command('corpus')
    .summary('make text to learn from: stories, questions')
    .description(
      'Writes data to train on, as JSON lines: little stories of a pixel world, or questions about space or about Pixel-LLM with their answers.',
    )
    .addArgument(new Argument('<name>', 'which corpus').choices(CORPORA))
    .option('--seed <n>', 'another seed gives other lines', wholeNumber(0), 1)
    .option('--count <n>', 'how many lines', wholeNumber(1, 100_000_000), 1000)
    .option('--first <n>', 'the number of the first line', wholeNumber(0), 0)
    .option('--kind <kind>', `spatial: only one kind (${SPATIAL_KINDS.join(', ')})`, spatialKind)
    .option('--steps', 'spatial: answers with what to write down on the way to them')
    .option('--held-out', 'docs: only wordings that are otherwise never used')
    .option('--out <file.jsonl>', 'the file to write (default: stdout)')
    .addHelpText('after', EXAMPLES)
    .action((name: CorpusName, flags: CorpusFlags) => corpus(name, flags, context));
};

async function corpus(name: CorpusName, flags: CorpusFlags, context: CommandContext): Promise<void> {
  const statistics = new Statistics();
  const sink = flags.out === undefined ? undefined : await openFileByteSink(flags.out);
  try {
    await context.withProgress(async (onProgress) => {
      for (let done = 0; done < flags.count; done += PIECE_LINES) {
        throwIfAborted(context.signal);
        const count = Math.min(PIECE_LINES, flags.count - done);
        const lines = Array.from({ length: count }, (_, i) => lineOf(name, flags, flags.first + done + i, statistics));
        await write(sink, `${lines.join('\n')}\n`, context);
        onProgress({ phase: 'writing', done: done + count, total: flags.count, unit: 'lines' });
      }
    });
    await sink?.commit();
  } catch (error) {
    await sink?.abort();
    throw error;
  }
  for (const line of statistics.lines()) context.note(line);
}

function lineOf(
  name: CorpusName,
  { seed, kind, heldOut, steps }: CorpusFlags,
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
  const { steps: written, ...made } = writeSpatial(seed, example, kind);
  const completion = steps ? withSteps({ steps: written, ...made }) : made.completion;
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
