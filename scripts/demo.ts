/**
 * `npm start`: the way of a model through this project, in a minute: a GGUF file becomes a picture, the picture is checked, looked
 * at, and writes text. Each step shows the command it runs, so that it can be run again by hand.
 * `npm start -- FILE.gguf` uses that model; without one, a small random model is made.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { basename, join, relative, resolve } from 'node:path';
import { styleText } from 'node:util';

const root = join(import.meta.dirname, '..');
const command = join(root, 'packages/pixel-llm/bin/pixel-llm.js');
/** npm runs scripts in the repository's root; a file is named from where the person stands. */
const origin = process.env.INIT_CWD ?? process.cwd();

const given = process.argv[2];
if (given === '--help' || given === '-h' || process.argv.length > 3) {
  console.error('npm start [-- FILE.gguf]    the guided tour, with that model or a small random one');
  process.exit(given === '--help' || given === '-h' ? 0 : 2);
}

const folder = join(root, 'demo');
mkdirSync(folder, { recursive: true });
process.chdir(root);

const model = given === undefined ? makeModel() : takeModel(resolve(origin, given));
const name = basename(model).replace(/(-\d{5}-of-\d{5})?\.gguf$/i, '');
const picture = place(`${name}.pxi.png`);
const view = place(`${name}.view.png`);

step('Turn it into a picture. Its pixels are the bytes of the model, nothing is lost.', 'convert', model, picture);
step('Check every line of pixels and every tensor.', 'verify', picture);
step('Draw what a person wants to see: the weights, bright where they are large.', 'render', picture, view);
step('And let the picture write.', 'run', picture, 'Once upon a time', '--max-tokens', '48', '--seed', '1');
console.log(`
What to try next
  open ${relative(origin, resolve(picture))} and ${relative(origin, resolve(view))} in an image viewer
  npx pixel-llm inspect ${picture}
  npx pixel-llm run ${picture} "A prompt of your own" --temperature 0
  npx pixel-llm convert ${picture} demo/back.gguf     gives the same bytes back
  npm start -- YOUR-MODEL.gguf                        a model that has learned something
  npx pixel-llm --help`);

function makeModel(): string {
  const path = place('toy-random.gguf');
  console.log(
    'No model was named, so here is a small one with RANDOM weights: everything works as with a real one, but what it',
  );
  console.log('writes is noise. `npm start -- FILE.gguf` takes a model of yours.');
  step('Make the model.', 'make-model', '--shape', 'toy', '--type', 'Q8_0', '--seed', '1', path);
  return path;
}

function takeModel(path: string): string {
  if (existsSync(path)) return path;
  console.error(`${given} does not exist.`);
  process.exit(2);
}

function place(file: string): string {
  return join('demo', file);
}

function step(purpose: string, ...parameters: string[]): void {
  const words = parameters.map((word) => (/[\s"]/.test(word) ? JSON.stringify(word) : word));
  console.log(`\n${styleText('bold', purpose)}`);
  console.log(styleText('cyan', `$ npx pixel-llm ${words.join(' ')}`));
  const { status, signal } = spawnSync(process.execPath, [command, ...parameters], { stdio: 'inherit' });
  // `run` ends its line only on a terminal.
  if (parameters[0] === 'run' && !process.stdout.isTTY) process.stdout.write('\n');
  if (status !== 0) {
    console.log(
      signal ? `The command was stopped by ${signal}.` : `The command ended with ${status}; the tour ends here.`,
    );
    process.exit(status ?? 1);
  }
}
