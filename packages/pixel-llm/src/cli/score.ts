/** `pixel-llm score`: how likely a model finds a text, token by token. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { PixelError } from '../core/errors.ts';
import { loadModel } from '../engine/node.ts';
import type { Score, ScoredPosition } from '../engine/score.ts';
import type { Prompt } from '../engine/session.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import { type CommandContext, type RegisterCommand, wholeNumber } from './command.ts';
import { addDeviceFlags, type DeviceFlags } from './generation-flags.ts';
import { pulledModel } from './local-model.ts';
import { readTextFile } from './text-input.ts';

const EXAMPLES = `
For each token: ln p given those before it (null for the first), and the likeliest tokens after it. A text longer than
the context is judged in windows that overlap by half. With --json, stdout has one object:
  {"positions":[{"token":80,"logprob":-1.2,"top":[[147,-0.24],...]},...],"tokens":6,"scored":5,
   "meanNegativeLogLikelihood":2.1,"perplexity":8.2}

Examples:
  pixel-llm score story.pxi.png --text chapter.txt
  pixel-llm score story.pxi.png --text chapter.txt --json --top 4 > scores.json
  pixel-llm score model.gguf --token-ids 1,80,147,201 --top 16`;

/** Tokens named in a line of the table. */
const TABLE_TOP = 3;

interface ScoreFlags extends DeviceFlags {
  text?: string;
  tokenIds?: number[];
  top: number;
  json?: boolean;
}

export const registerScore: RegisterCommand = (program: Command, context: CommandContext): void => {
  const command = program
    .command('score')
    .description('Say how likely a model finds a text, token by token.')
    .argument('<model>', 'a .pxi.png or .gguf file or URL (any file of a set)')
    .option('--text <file>', 'a text file to score')
    .addOption(
      new Option('--token-ids <ids>', 'token ids to score, separated by commas').argParser(tokenIds).conflicts('text'),
    )
    .option('--top <n>', 'how many of the likeliest tokens to name after each position', wholeNumber(0, 1000), 16);
  addDeviceFlags(command)
    .option('--json', 'write JSON instead of a table')
    .addHelpText('after', EXAMPLES)
    .action((path: string, flags: ScoreFlags) => score(path, flags, context));
};

async function score(given: string, flags: ScoreFlags, context: CommandContext): Promise<void> {
  const prompt = await choosePrompt(flags, context.signal);
  const { device, threads, kvType, gpuAdapter, gpuActivations, adapter, context: contextLength, top, json } = flags;
  const { signal } = context;
  const path = flags.cache ? await pulledModel(given, context) : given;
  await using model = await context.withProgress((onProgress, onNote) =>
    loadModel(path, {
      ...{ device, threads, kvType, gpuAdapter, gpuActivations, adapter, contextLength },
      ...{ signal, onProgress, onNote },
    }),
  );
  const result = await context.withProgress((onProgress) => model.score(prompt, { top, signal, onProgress }));
  if (json) await printJson(result, context);
  else await printTable(result, model.tokenizer, context);
}

async function choosePrompt({ text, tokenIds }: ScoreFlags, signal: AbortSignal): Promise<Prompt> {
  if (tokenIds) return tokenIds;
  if (text === undefined) throw new PixelError('bad-argument', 'score needs --text FILE or --token-ids 1,2,3.');
  const content = await readTextFile(text, signal);
  if (content === '') throw new PixelError('bad-argument', `${text} is empty: there is nothing to score.`);
  return content;
}

function tokenIds(list: string): number[] {
  return list.split(',').map((item) => {
    if (!/^\s*\d{1,10}\s*$/.test(item)) throw new InvalidArgumentError('It must be whole numbers separated by commas.');
    return Number(item);
  });
}

/** A position a line, so that long texts need no second copy in memory. */
async function printJson({ positions, ...summary }: Score, context: CommandContext): Promise<void> {
  await context.print('{"positions":[');
  for (const [index, position] of positions.entries()) {
    await context.print(`${index > 0 ? ',' : ''}\n${JSON.stringify(position)}`);
  }
  await context.print(`\n],${JSON.stringify(summary).slice(1)}\n`);
}

async function printTable(result: Score, tokenizer: Tokenizer, context: CommandContext): Promise<void> {
  await context.print('position   token      ln p  text              likeliest next\n');
  for (const [index, position] of result.positions.entries()) {
    await context.print(`${tableLine(index, position, tokenizer)}\n`);
  }
  const { tokens, scored, meanNegativeLogLikelihood: mean, perplexity } = result;
  const summary =
    mean === null || perplexity === null
      ? 'nothing to judge in a single token'
      : `mean negative log-likelihood ${mean.toFixed(4)} nats a token, perplexity ${perplexity.toFixed(4)}`;
  await context.print(`${tokens} tokens, ${scored} scored: ${summary}\n`);
}

function tableLine(index: number, { token, logprob, top }: ScoredPosition, tokenizer: Tokenizer): string {
  const likeliest = top.slice(0, TABLE_TOP).map(([next, ln]) => `${shown(next, tokenizer)} ${Math.exp(ln).toFixed(3)}`);
  return [
    String(index).padStart(8),
    String(token).padStart(7),
    (logprob === null ? '-' : logprob.toFixed(4)).padStart(9),
    ` ${shown(token, tokenizer).padEnd(16)}`,
    ` ${likeliest.join('  ')}`,
  ].join(' ');
}

function shown(token: number, tokenizer: Tokenizer): string {
  if (token >= tokenizer.vocabSize) return '-';
  const detokenizer = tokenizer.createDetokenizer({ special: true });
  return JSON.stringify(detokenizer.push(token) + detokenizer.end());
}
