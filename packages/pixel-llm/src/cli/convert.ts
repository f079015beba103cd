/** `pixel-llm convert`: GGUF to pictures and back, or either to its own kind in another type or size. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { PixelError } from '../core/errors.ts';
import { openModelContent } from '../map/node.ts';
import type { ModelContent } from '../pxi/convert/model-content.ts';
import { requantizableTypes, requantizeContent } from '../pxi/convert/requantized-content.ts';
import type { CommandContext, RegisterCommand } from './command.ts';
import { cachedModel } from './local-model.ts';
import { isPictureName, writeModel } from './model-output.ts';
import { refuseSameFile } from './same-file.ts';

const EXAMPLES = `
What IN is, its content says; what OUT becomes, its name says: .png a picture, .gguf a GGUF file. Without --type the model's
bytes are kept: converted there and back, the same GGUF file comes out, byte for byte. A model larger than one picture becomes
OUT-00001-of-0000N.pxi.png and so on. Any file of a set, of pictures or of GGUF, names the set; a set of GGUF files becomes one.

Examples:
  pixel-llm convert model.gguf model.pxi.png
  pixel-llm convert model.pxi.png model.gguf
  pixel-llm convert model-f16.gguf model-q4.pxi.png --type Q4_K
  pixel-llm convert model.gguf model.pxi.png --shard-size 64MB`;

interface ConvertFlags {
  type?: string;
  shardSize?: number;
}

export const registerConvert: RegisterCommand = (program: Command, context: CommandContext): void => {
  program
    .command('convert')
    .description('Turn a GGUF model into a picture, or a picture into GGUF.')
    .argument('<in>', 'model to read: a .gguf or .pxi.png file or URL, or any file of a set')
    .argument('<out>', 'file to write: NAME.pxi.png or NAME.gguf')
    .addOption(new Option('--type <type>', 'requantize the weight matrices').choices(requantizableTypes()))
    .option('--shard-size <bytes>', 'the most bytes a picture may have, like 256MB (default: 268 MB)', byteSize)
    .addHelpText('after', EXAMPLES)
    .action(async (input: string, output: string, flags: ConvertFlags) => {
      const toPicture = isPictureName(output);
      if (!toPicture && flags.shardSize !== undefined) {
        throw new PixelError('bad-argument', 'A GGUF file is written whole: --shard-size is for pictures.');
      }
      await refuseSameFile(input, output);
      const original = await openModelContent(await cachedModel(input), { signal: context.signal });
      try {
        const content = requantized(original, flags, context);
        await writeModel(content, { inputs: [input], output, shardSize: flags.shardSize }, context);
      } finally {
        await original.dispose();
      }
    });
};

function requantized(content: ModelContent, { type }: ConvertFlags, context: CommandContext): ModelContent {
  if (type === undefined) return content;
  const model = requantizeContent(content, type);
  for (const note of model.notes) context.note(note);
  return model.content;
}

const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  k: 1e3,
  m: 1e6,
  g: 1e9,
  ki: 2 ** 10,
  mi: 2 ** 20,
  gi: 2 ** 30,
};

/** "256MB", "64MiB", "1.5 GB", "100000". */
function byteSize(text: string): number {
  const [, digits = '', unit = ''] = /^(\d+(?:\.\d+)?)\s*([kmg]i?)?b?$/i.exec(text.trim()) ?? [];
  const bytes = Math.floor(Number(digits) * (UNITS[unit.toLowerCase()] ?? 0));
  if (digits !== '' && bytes >= 1 && Number.isSafeInteger(bytes)) return bytes;
  throw new InvalidArgumentError('It must be a number of bytes like 256MB or 64MiB.');
}
