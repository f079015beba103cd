/**
 * `npm run train:pixie`, and `npm run train -- NAME [FILES]` for the other recipes of models/recipes: makes the recipe's corpora, trains in stages
 * that end in a checkpoint, and puts the finished model, with the picture of its losses, into models/. Run again, it goes on. FILES are what a
 * recipe of a task reads (the task's own training file).
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';

const ROOT = join(import.meta.dirname, '..');
const COMMAND = join(ROOT, 'packages/pixel-llm/bin/pixel-llm.js');
const RECIPES = join(ROOT, 'models/recipes');
/** Minutes of one stage. */
const STAGE = '45';

interface ModelRecipe {
  /** The corpus command behind each data file; FILES stands for the files that were named. */
  readonly corpora: Readonly<Record<string, readonly string[]>>;
  /** What `pixel-llm train` takes, one after another; a later stage begins with `stage-N.pxi.png` of the one before. */
  readonly stages: readonly object[];
  /** How the finished weights are stored. */
  readonly type: string;
}

const known = readdirSync(RECIPES).map((file) => file.replace(/\.json$/, ''));
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { minutes: { type: 'string', default: STAGE }, threads: { type: 'string' }, help: { type: 'boolean' } },
});
const [name = '', ...files] = positionals;
if (values.help || !known.includes(name)) {
  console.error(
    `npm run train -- NAME [FILES] [--minutes ${STAGE}] [--threads N]    one stage of: ${known.join(', ')}`,
  );
  process.exit(values.help ? 0 : 2);
}

const model: ModelRecipe = JSON.parse(readFileSync(join(RECIPES, `${name}.json`), 'utf8'));
const folder = join(ROOT, 'models/work', name);
mkdirSync(folder, { recursive: true });
for (const [file, words] of Object.entries(model.corpora)) makeCorpus(join(folder, file), words);
const stage = model.stages.findIndex((_, index) => !existsSync(stageFile(index)));
if (stage >= 0) train(stage);
if (!existsSync(stageFile(model.stages.length - 1))) {
  console.log(`That was a part of it; npm run train -- ${name} goes on.`);
} else {
  const out = join(ROOT, 'models', `${name}.pxi.png`);
  run('convert', stageFile(model.stages.length - 1), out, '--type', model.type);
  copyFileSync(join(folder, 'losses-1.png'), join(ROOT, 'models', `${name}.losses.png`));
  console.log(`${out} is trained.`);
}

function stageFile(index: number): string {
  return join(folder, `stage-${index + 1}.pxi.png`);
}

function train(index: number): void {
  const recipe = join(folder, `recipe-${index + 1}.json`);
  writeFileSync(recipe, `${JSON.stringify(model.stages[index], undefined, 2)}\n`);
  const losses = join(folder, `losses-${index + 1}.jsonl`);
  const threads = values.threads === undefined ? [] : ['--threads', values.threads];
  run('train', recipe, '--out', stageFile(index), '--minutes', values.minutes, '--log', losses, ...threads);
}

/** Made once, whole or not at all. */
function makeCorpus(path: string, words: readonly string[]): void {
  if (existsSync(path)) return;
  const given = files.map((file) => resolve(process.env.INIT_CWD ?? process.cwd(), file));
  if (words.includes('FILES') && given.length === 0) {
    console.error(`${name} is trained on files of its task: npm run train -- ${name} FILE ...`);
    process.exit(2);
  }
  const part = `${path}.part`;
  run('corpus', ...words.flatMap((word) => (word === 'FILES' ? given : [word])), '--out', part);
  renameSync(part, path);
}

function run(...words: string[]): void {
  const { status } = spawnSync(process.execPath, [COMMAND, ...words], { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}
