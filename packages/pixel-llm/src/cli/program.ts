/**
 * The command line: every command under one parser, which throws what it meets. main.ts gives it a process and an end; tests run it
 * where they are.
 */
import { Command } from 'commander';
import packageFacts from '../../package.json' with { type: 'json' };
import { registerBench } from './bench.ts';
import { registerCache } from './cache.ts';
import { registerChat } from './chat.ts';
import type { CommandContext, RegisterCommand } from './command.ts';
import { registerConvert } from './convert.ts';
import { registerCorpus } from './corpus.ts';
import { registerDevices } from './devices.ts';
import { registerDiff } from './diff.ts';
import { registerEmbed } from './embed.ts';
import { registerEval } from './eval.ts';
import { registerFinetune } from './finetune.ts';
import { registerFs } from './fs.ts';
import { registerInspect } from './inspect.ts';
import { registerMakeModel } from './make-model.ts';
import { registerMap } from './map/map.ts';
import { registerMerge } from './merge.ts';
import { registerPull } from './pull.ts';
import { registerRender } from './render.ts';
import { registerRun } from './run.ts';
import { registerScore } from './score.ts';
import { registerTrain } from './train.ts';
import { registerVerify } from './verify.ts';

/** In the order the help lists them. */
const COMMANDS: readonly RegisterCommand[] = [
  registerConvert,
  registerInspect,
  registerRender,
  registerDiff,
  registerVerify,
  registerRun,
  registerChat,
  registerScore,
  registerEmbed,
  registerBench,
  registerDevices,
  registerPull,
  registerCache,
  registerFs,
  registerMap,
  registerMakeModel,
  registerCorpus,
  registerTrain,
  registerFinetune,
  registerMerge,
  registerEval,
];

const GETTING_STARTED = `
Getting started:
  pixel-llm make-model --shape toy toy.gguf        a small model with random weights, or take a GGUF file you have
  pixel-llm convert toy.gguf toy.pxi.png           the model as a picture: open it in any image viewer
  pixel-llm verify toy.pxi.png                     every line of pixels and every tensor
  pixel-llm run toy.pxi.png "Once upon a time"     let it write

"pixel-llm help COMMAND" says what a command takes, with examples.`;

/** The parser, with the option `debug`. Its help goes to stdout; nothing is printed for an error. */
export function createProgram(context: CommandContext): Command {
  const program = new Command('pixel-llm')
    .description('Language models that live in pixels: convert, look at, verify and run them.')
    .version(packageFacts.version, '-V, --version')
    .option('--debug', 'show the stack trace of an error')
    .showSuggestionAfterError()
    .configureHelp({ sortOptions: false, showGlobalOptions: false })
    .addHelpText('after', GETTING_STARTED)
    .exitOverride()
    .configureOutput({ writeErr: () => {} });
  for (const register of COMMANDS) register(program, context);
  return program;
}
