/** `pixel-llm pull`: a model from a server to this machine, whole and verified, however often the connection breaks. */
import type { Command } from 'commander';
import { type CommandContext, decimalNumber, type RegisterCommand, wholeNumber } from './command.ts';
import { describePulled, reportingStops } from './local-model.ts';
import { cacheFolder } from './pull/model-cache.ts';
import { pullToCache, pullToFile } from './pull/pull-model.ts';

const EXAMPLES = `
The URL is that of a .pxi.png or .gguf file; of a model in several files, that of any one of them (-00001-of-00003): all are
pulled. Each line of a picture is checked as it arrives, and each tensor's SHA-256 in the end; GGUF files hold no checksums.
What broke off, or was stopped by Ctrl-C, goes on where it was when the same command is given again, if the server says by
ETag or date that its file is still the same. A user name and password in the URL are sent and never shown.

Without --out the model goes to the cache, where every command finds it by its URL. The cache is the folder PIXEL_LLM_CACHE,
or pixel-llm in the system's place for caches. The path of the file goes to stdout.

Examples:
  pixel-llm pull https://example.org/model.pxi.png
  pixel-llm run https://example.org/model.pxi.png "Once upon a time"
  pixel-llm pull https://example.org/model-00001-of-00003.gguf --out models/
  pixel-llm pull https://example.org/model.gguf --out model.gguf --retries 20 --stall-timeout 60
  pixel-llm cache list`;

interface PullFlags {
  out?: string;
  retries: number;
  stallTimeout: number;
}

export const registerPull: RegisterCommand = (program: Command, context: CommandContext): void => {
  program
    .command('pull')
    .description('Get a model from a server, checked line by line; what broke off goes on where it was.')
    .argument('<url>', 'the http or https URL of a .pxi.png or .gguf file')
    .option('--out <file>', 'where to write it, a file or a folder (default: the cache)')
    .option('--retries <n>', 'failures in a row, without a byte gained, before it gives up', wholeNumber(0, 1000), 5)
    .option('--stall-timeout <seconds>', 'silence after which a connection is given up', decimalNumber(0.1, 86_400), 30)
    .addHelpText('after', EXAMPLES)
    .action(async (url: string, { out, retries, stallTimeout }: PullFlags) => {
      const { signal } = context;
      const begun = performance.now();
      const pulled = await reportingStops(context, () =>
        context.withProgress((onProgress, onNote) => {
          const cache = cacheFolder();
          const options = { cache, retries, stallMilliseconds: stallTimeout * 1000, signal, onProgress, onNote };
          return out === undefined ? pullToCache(url, options) : pullToFile(url, out, options);
        }),
      );
      const { path, isNew } = pulled;
      context.note(isNew ? describePulled(pulled, performance.now() - begun) : `${path} is in the cache already`);
      await context.print(`${path}\n`);
    });
};
