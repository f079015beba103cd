/**
 * `npm start`: what this project does, in a minute. The model that ships is a picture: it is checked, looked at, tells a story, answers questions, and
 * becomes a GGUF file and a picture again. Each step shows the command it runs, so that it can be run again by hand.
 * `npm start -- FILE.gguf` turns that model into a picture, and lets it write.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { basename, join, relative, resolve } from 'node:path';
import { styleText } from 'node:util';

const root = join(import.meta.dirname, '..');
const command = join(root, 'packages/pixel-llm/bin/pixel-llm.js');
/** npm runs scripts in the repository's root; a file is named from where the person stands. */
const origin = process.env.INIT_CWD ?? process.cwd();

const given = process.argv[2];
if (given === '--help' || given === '-h' || process.argv.length > 3) {
  console.error('npm start [-- FILE.gguf]    the guided tour, with that model or the one that ships');
  process.exit(given === '--help' || given === '-h' ? 0 : 2);
}

const folder = join(root, 'demo');
mkdirSync(folder, { recursive: true });
process.chdir(root);

if (given === undefined) tourOfPixie();
else tourOf(takeModel(resolve(origin, given)));

function tourOfPixie(): void {
  const pixie = join('models', 'pixie.pxi.png');
  const [view, gguf, back] = ['pixie.view.png', 'pixie.gguf', 'pixie.back.pxi.png'].map(place) as [
    string,
    string,
    string,
  ];
  step('This picture is a language model. Check every line of pixels and every tensor.', 'verify', pixie);
  step('Draw what a person wants to see: the weights, bright where they are large.', 'render', pixie, view);
  step('Let the picture tell a story.', 'run', '--prompt', 'Once there was a', '--seed', '3');
  step('Ask it about this project.', 'run', '--prompt', 'Tell me what PixelFS is.', '--temperature', '0');
  const rooms =
    'The office is east of the hallway. The kitchen is north of the office. The garden is west of the bedroom. ' +
    'The office is west of the garden. The bathroom is north of the garden.';
  const way = `${rooms} How do you go from the kitchen to the garden?`;
  const finder = join('models', 'babi-19.pxi.png');
  step(
    'Another picture finds ways: it writes down the rooms it looks through.',
    'run',
    finder,
    way,
    '--temperature',
    '0',
  );
  step('Other programs read the same weights as GGUF ...', 'convert', pixie, gguf);
  step('... which becomes the same picture again.', 'convert', gguf, back);
  if (!readFileSync(back).equals(readFileSync(pixie)))
    console.log('The two pictures differ in how they are packed, not in a weight.');
  next(pixie, view, back);
}

function tourOf(model: string): void {
  const name = basename(model).replace(/(-\d{5}-of-\d{5})?\.gguf$/i, '');
  const picture = place(`${name}.pxi.png`);
  const view = place(`${name}.view.png`);

  step('Turn it into a picture. Its pixels are the bytes of the model, nothing is lost.', 'convert', model, picture);
  step('Check every line of pixels and every tensor.', 'verify', picture);
  step('Draw what a person wants to see: the weights, bright where they are large.', 'render', picture, view);
  step('And let the picture write.', 'run', picture, 'Once upon a time', '--max-tokens', '48', '--seed', '1');
  next(picture, view, 'demo/back.gguf');
}

function next(picture: string, view: string, back: string): void {
  console.log(`
What to try next
  open ${relative(origin, resolve(picture))} and ${relative(origin, resolve(view))} in an image viewer
  npx pixel-llm inspect ${picture}
  npx pixel-llm run ${picture} "A prompt of your own" --temperature 0
  npx pixel-llm convert ${picture} ${back}     gives the same weights back
  npm start -- YOUR-MODEL.gguf                        a model of yours as a picture
  npx pixel-llm --help`);
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
