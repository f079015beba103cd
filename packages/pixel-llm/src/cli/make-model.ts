/** `pixel-llm make-model`: random weights in a real model's shape, as a GGUF file. */
import { Option } from 'commander';
import { openFileByteSink } from '../core/node.ts';
import { MADE_TYPES, type MadeType, makeModel, SHAPE_NAMES } from '../pxi/make-model/make-model.ts';
import type { ShapeName } from '../pxi/make-model/shapes.ts';
import { type RegisterCommand, wholeNumber } from './command.ts';

interface MakeModelOptions {
  shape: ShapeName;
  type: MadeType;
  seed: number;
}

export const registerMakeModel: RegisterCommand = (program, context) => {
  program
    .command('make-model')
    .summary('make a model of random weights in a real shape')
    .description(
      'Writes a GGUF model of random weights in the exact shape of a real one, with a working vocabulary: to measure, test and look at. It says nothing sensible.',
    )
    .argument('<out.gguf>', 'the file to write')
    .addOption(new Option('--shape <name>', 'which model to take the shape of').choices(SHAPE_NAMES).default('toy'))
    .addOption(new Option('--type <type>', 'how the matrices are stored').choices(MADE_TYPES).default('Q8_0'))
    .option('--seed <n>', 'another seed gives other weights', wholeNumber(0, 0xffffffff), 0)
    .addHelpText(
      'after',
      '\nExamples:\n  pixel-llm make-model toy.gguf\n  pixel-llm make-model --shape qwen2.5-0.5b --type Q4_0 --seed 7 random.gguf',
    )
    .action(async (path: string, { shape, type, seed }: MakeModelOptions) => {
      await context.withProgress(async (onProgress) => {
        await makeModel({ shape, type, seed }, await openFileByteSink(path), { signal: context.signal, onProgress });
      });
      context.note(`${path}: random ${shape}, ${type}, seed ${seed}`);
    });
};
