/** `pixel-llm run`: loads a model and lets it continue a prompt. Only the text goes to stdout; everything about it to stderr. */
import { type Command, Option } from 'commander';
import type { DeviceName } from '../backends/types.ts';
import { PixelError } from '../core/errors.ts';
import type {
  FinishReason,
  GeneratedPiece,
  GenerateOptions,
  Generation,
  GenerationResult,
} from '../engine/generation.ts';
import type { Model } from '../engine/model.ts';
import { loadModel } from '../engine/node.ts';
import type { Prompt } from '../engine/session.ts';
import type { ChatMessage } from '../tokenizer/chat-template.ts';
import { type CommandContext, decimalNumber, type RegisterCommand, wholeNumber } from './command.ts';
import { pulledModel } from './local-model.ts';
import { readStandardText } from './text-input.ts';

const EXAMPLES = `
Only the continuation goes to stdout, not the prompt; progress and the summary go to stderr. Without a prompt, stdin is the
prompt (one line break at its end is dropped). With --json, stdout has one JSON object a line: {"text","token"} for each
token, and at the end {"finishReason","text","promptTokens","generatedTokens","seed","promptSeconds","generateSeconds"}.

Examples:
  pixel-llm run story.pxi.png "Once upon a time"
  pixel-llm run model.gguf "Once upon a time" --temperature 0 --max-tokens 48
  pixel-llm run chat.pxi.png --chat "Why is the sky blue?"
  pixel-llm run chat.pxi.png --system "You answer in one sentence." "Why is the sky blue?"
  git diff | pixel-llm run chat.pxi.png --system "Write a commit message for this change."
  pixel-llm run story.pxi.png "Once" --stop "." --seed 7 --json`;

const FINISHED: Readonly<Record<FinishReason, string>> = {
  stop: 'a stop string was met',
  length: 'the length asked for is reached',
  'end-of-text': 'the model ended the text',
  context: 'the context is full',
  aborted: 'it was stopped',
};

interface RunFlags {
  prompt?: string;
  system?: string;
  chat?: boolean;
  maxTokens: number;
  temperature?: number;
  topK?: number;
  topP?: number;
  minP?: number;
  repeatPenalty?: number;
  seed?: number;
  stop?: string[];
  ignoreEos?: boolean;
  /** As typed: whether there is such a device, selectBackend knows. */
  device: 'auto' | DeviceName;
  context?: number;
  cache: boolean;
  json?: boolean;
}

export const registerRun: RegisterCommand = (program: Command, context: CommandContext): void => {
  program
    .command('run')
    .description('Let a model continue a prompt.')
    .argument('[model]', 'a .pxi.png or .gguf file or URL (any file of a set)')
    .argument('[prompt]', 'the text to continue, or the question with --chat or --system')
    .option('--prompt <text>', 'the prompt, as an option')
    .option(
      '--system <text>',
      "a system message: the prompt is then a question, in the form of the model's chat template",
    )
    .option('--chat', "the prompt is a question, in the form of the model's chat template")
    .option('--max-tokens <n>', 'tokens to write at most', wholeNumber(0), 256)
    .option(
      '--temperature <t>',
      '0 takes the likeliest token always; higher surprises more (default: 0.8)',
      decimalNumber(0, 1000),
    )
    .option('--top-k <n>', 'choose among the n likeliest tokens; 0 = all (default: 40)', wholeNumber(0))
    .option('--top-p <p>', 'choose among the fewest tokens that sum to p; 1 = all (default: 0.95)', decimalNumber(0, 1))
    .option('--min-p <p>', 'drop tokens less likely than p times the likeliest (default: 0.05)', decimalNumber(0, 1))
    .option('--repeat-penalty <x>', 'above 1: repeat less (default: 1)', decimalNumber(0.01, 100))
    .option('--seed <n>', 'the same seed writes the same text (default: random, and reported)', wholeNumber(0))
    .addOption(
      new Option('--stop <text>', 'end before this text; may be given several times').argParser(
        (value: string, earlier: string[] | undefined) => [...(earlier ?? []), value],
      ),
    )
    .option('--ignore-eos', 'never choose an end-of-text token')
    .option('--device <name>', 'what to run on: auto or reference', 'auto')
    .option('--context <n>', "tokens of prompt and text together (default: the model's, at most 4096)", wholeNumber(1))
    .option('--no-cache', 'read a URL by ranges, and do not pull it into the cache')
    .option('--json', 'write JSON lines instead of text')
    .addHelpText('after', EXAMPLES)
    .action((path: string | undefined, prompt: string | undefined, flags: RunFlags) =>
      run(path, prompt, flags, context),
    );
};

async function run(
  path: string | undefined,
  argument: string | undefined,
  flags: RunFlags,
  context: CommandContext,
): Promise<void> {
  if (path === undefined) {
    throw new PixelError(
      'bad-argument',
      'run needs a model: pixel-llm run MODEL.pxi.png "Once upon a time" ' +
        '(without a model at hand, "pixel-llm make-model --shape toy toy.gguf" makes a small random one).',
    );
  }
  const text = await choosePrompt(argument, flags, context.signal);
  await using model = await load(path, flags, context);
  using session = model.createSession();
  const { generation, pieces, first } = await context.withProgress(async (onProgress) => {
    const options = { ...generateOptions(flags), signal: context.signal, onProgress };
    const begun = session.generate(toPrompt(text, flags), options);
    const iterator = begun[Symbol.asyncIterator]();
    return { generation: begun, pieces: iterator, first: await iterator.next() };
  });
  for (let next = first; !next.done; next = await pieces.next()) await printPiece(next.value, flags, context);
  await finish(generation, flags, context);
}

async function load(
  given: string,
  { device, context: contextLength, cache }: RunFlags,
  context: CommandContext,
): Promise<Model> {
  const path = cache ? await pulledModel(given, context) : given;
  const begun = performance.now();
  const model = await context.withProgress((onProgress) =>
    loadModel(path, { device, contextLength, signal: context.signal, onProgress }),
  );
  const seconds = ((performance.now() - begun) / 1000).toFixed(2);
  context.note(
    `${path}: ${model.architecture}, context ${model.contextLength}, on the device "${model.device}", loaded in ${seconds} s`,
  );
  return model;
}

/** The prompt as it was given, or stdin. */
async function choosePrompt(argument: string | undefined, { prompt }: RunFlags, signal: AbortSignal): Promise<string> {
  if (argument !== undefined && prompt !== undefined) {
    throw new PixelError('bad-argument', 'The prompt is given twice, as an argument and by --prompt: give it once.');
  }
  const given = argument ?? prompt;
  if (given !== undefined) return given;
  if (process.stdin.isTTY) {
    throw new PixelError(
      'bad-argument',
      'run needs a prompt: pixel-llm run MODEL "Once upon a time", or text on stdin.',
    );
  }
  const text = (await readStandardText(signal)).replace(/\r?\n$/, '');
  if (text === '') throw new PixelError('bad-argument', 'No prompt was given, and stdin was empty.');
  return text;
}

function toPrompt(text: string, { system, chat = false }: RunFlags): Prompt {
  if (system === undefined && !chat) return text;
  const user: ChatMessage = { role: 'user', content: text };
  return system === undefined ? [user] : [{ role: 'system', content: system }, user];
}

function generateOptions(flags: RunFlags): GenerateOptions {
  const { maxTokens, temperature, topK, topP, minP, repeatPenalty, seed, stop, ignoreEos } = flags;
  return { maxTokens, temperature, topK, topP, minP, repeatPenalty, seed, stop, ignoreEndOfText: ignoreEos };
}

async function printPiece({ text, token }: GeneratedPiece, { json }: RunFlags, context: CommandContext): Promise<void> {
  if (json) await context.print(`${JSON.stringify({ text, token })}\n`);
  else if (text !== '') await context.print(text);
}

async function finish(generation: Generation, { json }: RunFlags, context: CommandContext): Promise<void> {
  const { result } = generation;
  if (!result) return;
  if (json) await context.print(`${JSON.stringify(jsonSummary(result))}\n`);
  // A shell's prompt should stand on its own line; a pipe gets exactly the text.
  else if (process.stdout.isTTY) await context.print('\n');
  context.note(summary(result));
}

function jsonSummary(result: GenerationResult): object {
  const { finishReason, stopString, text, promptTokens, tokens, seed, promptMilliseconds, generateMilliseconds } =
    result;
  return {
    finishReason,
    ...(stopString !== undefined && { stopString }),
    text,
    promptTokens,
    generatedTokens: tokens.length,
    seed,
    promptSeconds: promptMilliseconds / 1000,
    generateSeconds: generateMilliseconds / 1000,
  };
}

/** "prompt: 6 tokens in 0.12 s (50.0 tokens/s); text: 48 tokens in 1.10 s (42.7 tokens/s); ended: the model ended the text; seed 7" */
function summary(result: GenerationResult): string {
  const { promptTokens, tokens, promptMilliseconds, generateMilliseconds, finishReason, seed } = result;
  // The first token comes out of the prompt's last step.
  const prompt = `${promptTokens} tokens${rate(promptTokens, promptMilliseconds)}`;
  const text = `${tokens.length} tokens${rate(tokens.length - 1, generateMilliseconds)}`;
  return `prompt: ${prompt}; text: ${text}; ended: ${FINISHED[finishReason]}; seed ${seed}`;
}

function rate(tokens: number, milliseconds: number): string {
  if (tokens <= 0 || milliseconds <= 0) return '';
  const perSecond = tokens / (milliseconds / 1000);
  return ` in ${(milliseconds / 1000).toFixed(2)} s (${perSecond.toPrecision(3)} tokens/s)`;
}
