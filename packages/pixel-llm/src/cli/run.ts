/** `pixel-llm run`: loads a model and lets it continue a prompt. Only the text goes to stdout; everything about it to stderr. */
import { type Command, Option } from 'commander';
import { PixelError } from '../core/errors.ts';
import type {
  FinishReason,
  GeneratedPiece,
  GenerateOptions,
  Generation,
  GenerationResult,
} from '../engine/generation.ts';
import type { Prompt } from '../engine/session.ts';
import { mapAddress } from '../map/node.ts';
import type { ChatMessage } from '../tokenizer/chat-template.ts';
import type { CommandContext, RegisterCommand } from './command.ts';
import {
  addDeviceFlags,
  addSamplingFlags,
  type DeviceFlags,
  loadForCommand,
  type SamplingFlags,
  samplingOptions,
} from './generation-flags.ts';
import { shippedModel } from './local-model.ts';
import { several } from './map/flags.ts';
import { threeDigits } from './progress-bar.ts';
import { readStandardText } from './text-input.ts';

const EXAMPLES = `
Only the continuation goes to stdout, not the prompt; progress and the summary go to stderr. Without a prompt, stdin is the
prompt (one line break at its end is dropped). With --json, stdout has one JSON object a line: {"text","token"} for each
token, and at the end {"finishReason","text","promptTokens","generatedTokens","seed","promptSeconds","generateSeconds"}.

Examples:
  pixel-llm run --prompt "Once there was a"               # Pixie, the small model that comes with pixel-llm
  pixel-llm run story.pxi.png "Once upon a time"
  pixel-llm run model.gguf "Once upon a time" --temperature 0 --max-tokens 48
  pixel-llm run chat.pxi.png --chat "Why is the sky blue?"
  pixel-llm run chat.pxi.png --system "You answer in one sentence." "Why is the sky blue?"
  git diff | pixel-llm run chat.pxi.png --system "Write a commit message for this change."
  pixel-llm run coder.pxi.png --chat --speculate 8 < review-this.txt
  pixel-llm run --map plane.pxmap --region story --overlay calm "Once upon a time"
  pixel-llm run story.pxi.png "Once" --stop "." --seed 7 --json`;

const FINISHED: Readonly<Record<FinishReason, string>> = {
  stop: 'a stop string was met',
  length: 'the length asked for is reached',
  'end-of-text': 'the model ended the text',
  context: 'the context is full',
  aborted: 'it was stopped',
};

interface RunFlags extends SamplingFlags, DeviceFlags {
  prompt?: string;
  map?: string;
  region?: string;
  overlay?: string[];
  system?: string;
  chat?: boolean;
  stop?: string[];
  ignoreEos?: boolean;
  json?: boolean;
}

export const registerRun: RegisterCommand = (program: Command, context: CommandContext): void => {
  const command = program
    .command('run')
    .description('Let a model continue a prompt.')
    .argument(
      '[model]',
      'a .pxi.png or .gguf file or URL (any file of a set; default: Pixie, which comes with pixel-llm)',
    )
    .argument('[prompt]', 'the text to continue, or the question with --chat or --system')
    .option('--prompt <text>', 'the prompt, as an option')
    .option('--map <file.pxmap>', 'a model on a map, with --region; the same as MAP#REGION+OVERLAY for a model')
    .option('--region <name>', 'with --map: which model')
    .option('--overlay <name>', 'with --map: look through this overlay; may be given several times', several)
    .option(
      '--system <text>',
      "a system message: the prompt is then a question, in the form of the model's chat template",
    )
    .option('--chat', "the prompt is a question, in the form of the model's chat template");
  addSamplingFlags(command, { maxTokens: 256 })
    .addOption(
      new Option('--stop <text>', 'end before this text; may be given several times').argParser(
        (value: string, earlier: string[] | undefined) => [...(earlier ?? []), value],
      ),
    )
    .option('--ignore-eos', 'never choose an end-of-text token');
  addDeviceFlags(command)
    .option('--json', 'write JSON lines instead of text')
    .addHelpText('after', EXAMPLES)
    .action((path: string | undefined, prompt: string | undefined, flags: RunFlags) =>
      run(path, prompt, flags, context),
    );
};

async function run(
  given: string | undefined,
  second: string | undefined,
  flags: RunFlags,
  context: CommandContext,
): Promise<void> {
  const [path, argument] = modelAndPrompt(given, second, flags);
  if (path === undefined && flags.prompt === undefined) {
    throw new PixelError(
      'bad-argument',
      'run needs a model, as in pixel-llm run MODEL.pxi.png "Once upon a time", or a prompt for the one that comes with it: ' +
        'pixel-llm run --prompt "Once there was a".',
    );
  }
  const text = await choosePrompt(argument, flags, context.signal);
  await using model = await loadForCommand(path ?? (await shippedModel()), flags, context);
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

/** With --map, the first argument is the prompt. */
function modelAndPrompt(
  first: string | undefined,
  second: string | undefined,
  { map, region, overlay = [] }: RunFlags,
): [model: string | undefined, prompt: string | undefined] {
  if (map === undefined && (region !== undefined || overlay.length > 0)) {
    throw new PixelError('bad-argument', '--region and --overlay need --map FILE.pxmap.');
  }
  if (map === undefined) return [first, second];
  if (region === undefined) throw new PixelError('bad-argument', '--map needs --region NAME: the model on the map.');
  if (second !== undefined)
    throw new PixelError('bad-argument', 'With --map no other model is named: give the prompt only.');
  return [mapAddress({ map, region, overlays: overlay }), first];
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
  const { stop, ignoreEos } = flags;
  return { ...samplingOptions(flags), stop, ignoreEndOfText: ignoreEos };
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
  const { finishReason, stopString, text, promptTokens, tokens, seed, speculation } = result;
  const { promptMilliseconds, generateMilliseconds } = result;
  return {
    finishReason,
    ...(stopString !== undefined && { stopString }),
    text,
    promptTokens,
    generatedTokens: tokens.length,
    seed,
    ...(speculation && { speculation }),
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
  const { drafted = 0, accepted = 0 } = result.speculation ?? {};
  const guessed = result.speculation ? `; ${accepted} of ${drafted} guesses were right` : '';
  return `prompt: ${prompt}; text: ${text}${guessed}; ended: ${FINISHED[finishReason]}; seed ${seed}`;
}

function rate(tokens: number, milliseconds: number): string {
  if (tokens <= 0 || milliseconds <= 0) return '';
  const perSecond = tokens / (milliseconds / 1000);
  return ` in ${(milliseconds / 1000).toFixed(2)} s (${threeDigits(perSecond)} tokens/s)`;
}
