/** `pixel-llm eval`: how good a model is at a task, beside what needs no model. */
import { Option } from 'commander';
import { PixelError } from '../core/errors.ts';
import { openFileByteSink } from '../core/node.ts';
import type { Model } from '../engine/model.ts';
import { parseDataFile } from '../train/data-file.ts';
import {
  type AnsweredQuestion,
  answerQuestions,
  type ScoreRow,
  scoreRows,
} from '../train/evaluation/answer-questions.ts';
import { chooseEndings, parseCloze } from '../train/evaluation/choose-endings.ts';
import { parseQuestions } from '../train/evaluation/question-lines.ts';
import { scoreStories, scoreTexts, type TextScore, tellStories } from '../train/evaluation/story-scores.ts';
import { parseBabi } from '../train/tasks/babi.ts';
import { PARTS, type Part, partOf, promptOf, type Question } from '../train/tasks/question.ts';
import { parseStepgame } from '../train/tasks/stepgame.ts';
import { type CommandContext, type RegisterCommand, wholeNumber } from './command.ts';
import { addDeviceFlags, type DeviceFlags, loadForCommand } from './generation-flags.ts';
import { readTextFile } from './text-input.ts';

const TASKS = ['perplexity', 'stories', 'spatial', 'docs', 'babi', 'stepgame', 'cloze'] as const;
type Task = (typeof TASKS)[number];

const EXAMPLES = `
Questions are answered greedily, and right when the answer is exactly the file's; what a model writes before a colon are its steps. Beside each
score stands what always giving the most frequent answer would score (majority), and choosing blindly among the different ones (random).

  perplexity   nats a token of texts: {"text"} lines, or any text file
  stories      the same for stories of \`corpus stories\`, beside what they cost the grammar that wrote them;
               with --tell N, how many of N stories of the model's own keep to that grammar
  spatial      lines of \`corpus spatial\` or others of {"prompt", "completion"}, by kind and hops
  docs         lines of \`corpus docs\`
  babi         a file of the bAbI tasks; --part held-out asks what \`corpus babi --part learned\` kept apart
  stepgame     a file of StepGame, likewise
  cloze        {"prompt", "completion", "choices"} lines: the likeliest ending

Examples:
  pixel-llm eval model.pxi.png --task babi --data qa17_test.txt
  pixel-llm corpus spatial --seed 99 --count 2000 --out asked.jsonl
  pixel-llm eval model.pxi.png --task spatial --data asked.jsonl --mistakes wrong.jsonl
  pixel-llm eval model.pxi.png --task stories --data held-out.jsonl --tell 500 --json`;

interface EvalFlags extends DeviceFlags {
  task: Task;
  data: string[];
  part: Part;
  limit?: number;
  tell: number;
  seed: number;
  atOnce: number;
  maxTokens: number;
  mistakes?: string;
  json?: boolean;
}

export const registerEval: RegisterCommand = (program, context) => {
  const command = program
    .command('eval')
    .summary('say how good a model is at a task')
    .description('Asks a model, and counts: exact matches, or nats a token.')
    .argument('<model>', 'a .pxi.png or .gguf file or URL (any file of a set)')
    .addOption(new Option('--task <task>', 'what to ask').choices(TASKS).makeOptionMandatory())
    .requiredOption('--data <files...>', 'what is asked or scored')
    .addOption(new Option('--part <part>', 'babi, stepgame: which stories').choices(PARTS).default('all'))
    .option('--limit <n>', 'only the first n questions or texts', wholeNumber(1))
    .option('--tell <n>', 'stories: let the model tell n of its own', wholeNumber(0, 100_000), 0)
    .option('--seed <n>', 'stories: the first seed of those', wholeNumber(0), 1)
    .option('--at-once <n>', 'questions under way at once', wholeNumber(1, 64), 8)
    .option('--max-tokens <n>', 'tokens an answer may take, with its steps', wholeNumber(1), 768)
    .option('--mistakes <file.jsonl>', 'write what was answered wrongly, a line each');
  addDeviceFlags(command)
    .option('--json', 'write JSON instead of a table')
    .addHelpText('after', EXAMPLES)
    .action((path: string, flags: EvalFlags) => evaluate(path, flags, context));
};

async function evaluate(path: string, flags: EvalFlags, context: CommandContext): Promise<void> {
  // Read before the model is loaded: a wrong file is told at once.
  const files = await Promise.all(
    flags.data.map(async (name) => [name, await readTextFile(name, context.signal)] as const),
  );
  if (flags.task === 'perplexity' || flags.task === 'stories') {
    const texts = files.flatMap(([name, content]) => textsOf(name, content)).slice(0, flags.limit);
    return scoreFiles(path, texts, flags, context);
  }
  const ask = asker(flags.task, files, flags);
  await using model = await loadForCommand(path, flags, context, { sequences: flags.atOnce });
  const answered = await context.withProgress((onProgress) => ask(model, { signal: context.signal, onProgress }));
  const rows = scoreRows(answered);
  const mistakes = answered.filter(({ isRight }) => !isRight);
  if (flags.mistakes !== undefined) await writeMistakes(flags.mistakes, mistakes);
  await context.print(
    flags.json ? `${JSON.stringify({ model: path, task: flags.task, rows }, undefined, 2)}\n` : table(rows),
  );
}

type Ask = (model: Model, work: Parameters<typeof chooseEndings>[2]) => Promise<AnsweredQuestion[]>;

function asker(
  task: Exclude<Task, 'perplexity' | 'stories'>,
  files: readonly (readonly [name: string, content: string])[],
  { part, limit, maxTokens, atOnce }: EvalFlags,
): Ask {
  if (task === 'cloze') {
    const questions = files.flatMap(([name, content]) => parseCloze(name, content)).slice(0, limit);
    return (model, work) => chooseEndings(model, questions, work);
  }
  const parse = { spatial: parseQuestions, docs: parseQuestions, babi: parseBabi, stepgame: parseStepgame }[task];
  const all: Question[] = files.flatMap(([name, content]): Question[] => parse(name, content));
  const questions = partOf(all, part).slice(0, limit);
  if (questions.length === 0) throw new PixelError('bad-argument', `The part "${part}" of the files has no questions.`);
  return (model, work) => answerQuestions(model, questions, { ...work, maxTokens, atOnce });
}

/** {"text"} lines, or, of any other file, all of it. */
function textsOf(name: string, content: string): string[] {
  if (!name.endsWith('.jsonl')) return [content];
  return parseDataFile(name, content).map((line) => {
    if ('text' in line) return line.text;
    throw new PixelError('bad-data', `${name} has lines without "text".`);
  });
}

async function scoreFiles(
  path: string,
  texts: readonly string[],
  flags: EvalFlags,
  context: CommandContext,
): Promise<void> {
  const { task, tell, seed, atOnce } = flags;
  await using model = await loadForCommand(path, flags, context, { sequences: atOnce });
  const { signal } = context;
  const isStories = task === 'stories';
  const score = await context.withProgress((onProgress) =>
    (isStories ? scoreStories : scoreTexts)(model, texts, { signal, onProgress }),
  );
  const told =
    isStories && tell > 0
      ? await context.withProgress((onProgress) => tellStories(model, tell, { seed, atOnce, signal, onProgress }))
      : undefined;
  if (flags.mistakes !== undefined && told) {
    await writeLines(
      flags.mistakes,
      told.mistakes.map((text) => ({ text })),
    );
  }
  const { mistakes: _, ...counts } = told ?? { mistakes: [] };
  if (flags.json) {
    await context.print(
      `${JSON.stringify({ model: path, task, ...score, ...(told && { told: counts }) }, undefined, 2)}\n`,
    );
    return;
  }
  await context.print(scoreText(score));
  if (told) await context.print(`told     ${told.told} stories, ${percent(told.score)} keep to the grammar\n`);
}

function scoreText(score: TextScore & { grammarNats?: number; ratio?: number }): string {
  const { texts, tokens, natsPerToken, perplexity, bitsPerByte, grammarNats, ratio } = score;
  const own = `scored   ${texts} texts, ${tokens} tokens: ${natsPerToken.toFixed(4)} nats a token, perplexity ${perplexity.toFixed(3)}, ${bitsPerByte.toFixed(4)} bits a byte\n`;
  if (grammarNats === undefined || ratio === undefined) return own;
  return `${own}grammar  ${(grammarNats / texts).toFixed(2)} nats a text; the model needs ${ratio.toFixed(4)} times that\n`;
}

function table(rows: readonly ScoreRow[]): string {
  const width = Math.max(...rows.map(({ what }) => what.length), 4);
  const head = `${''.padEnd(width)}  questions     right  majority    random\n`;
  const lines = rows.map(({ what, questions, score, majority, random }) => {
    const cells = [
      String(questions).padStart(9),
      ...[score, majority, random].map((share) => percent(share).padStart(9)),
    ];
    return `${what.padEnd(width)}  ${cells.join(' ')}\n`;
  });
  return head + lines.join('');
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

async function writeMistakes(path: string, mistakes: readonly AnsweredQuestion[]): Promise<void> {
  await writeLines(
    path,
    mistakes.map((asked) => ({ prompt: promptOf(asked), completion: asked.answer, written: asked.written })),
  );
}

async function writeLines(path: string, lines: readonly object[]): Promise<void> {
  const sink = await openFileByteSink(path);
  try {
    await sink.write([new TextEncoder().encode(lines.map((line) => `${JSON.stringify(line)}\n`).join(''))]);
    await sink.commit();
  } catch (error) {
    await sink.abort();
    throw error;
  }
}
