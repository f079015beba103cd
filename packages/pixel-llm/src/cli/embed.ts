/** `pixel-llm embed`: a text as one vector. */
import { Option } from 'commander';
import { PixelError } from '../core/errors.ts';
import type { CommandContext, RegisterCommand } from './command.ts';
import { addDeviceFlags, type DeviceFlags, loadForCommand } from './generation-flags.ts';
import { readStandardText } from './text-input.ts';

const EXAMPLES = `
The vector has length 1, so that the product of two vectors says how alike two texts are. It is one line of numbers; with
--json, one object: {"pooling","dimensions","embedding"}. Without a text, stdin is the text.

Examples:
  pixel-llm embed model.pxi.png "The cat sat on the mat."
  pixel-llm embed model.pxi.png --pooling last --json < chapter.txt`;

interface EmbedFlags extends DeviceFlags {
  pooling: 'mean' | 'last';
  json?: boolean;
}

export const registerEmbed: RegisterCommand = (program, context) => {
  const command = program
    .command('embed')
    .description('Turn a text into a vector that stands for its meaning.')
    .argument('<model>', 'a .pxi.png or .gguf file or URL (any file of a set)')
    .argument('[text]', 'the text')
    .addOption(
      new Option('--pooling <how>', 'which hidden states: the mean of all tokens, or that of the last')
        .choices(['mean', 'last'])
        .default('mean'),
    );
  addDeviceFlags(command)
    .option('--json', 'write JSON')
    .addHelpText('after', EXAMPLES)
    .action((path: string, text: string | undefined, flags: EmbedFlags) => embed(path, text, flags, context));
};

async function embed(
  path: string,
  argument: string | undefined,
  flags: EmbedFlags,
  context: CommandContext,
): Promise<void> {
  const { signal } = context;
  const text = argument ?? (await textOfStdin(signal));
  if (text === '') throw new PixelError('bad-argument', 'There is no text to embed.');
  await using model = await loadForCommand(path, flags, context);
  const { pooling, json } = flags;
  const embedding = [
    ...(await context.withProgress((onProgress) => model.embed(text, { pooling, signal, onProgress }))),
  ];
  const page = json ? JSON.stringify({ pooling, dimensions: embedding.length, embedding }) : embedding.join(' ');
  await context.print(`${page}\n`);
}

async function textOfStdin(signal: AbortSignal): Promise<string> {
  if (process.stdin.isTTY) throw new PixelError('bad-argument', 'embed needs a text: pixel-llm embed MODEL "a text".');
  return (await readStandardText(signal)).replace(/\r?\n$/, '');
}
