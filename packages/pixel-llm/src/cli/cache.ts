/** `pixel-llm cache`: which pulled models this machine keeps, and room again. */
import type { Command } from 'commander';
import { PixelError } from '../core/errors.ts';
import { type CommandContext, decimalNumber, type RegisterCommand } from './command.ts';
import { formatBytes } from './progress-bar.ts';
import {
  type CachedModel,
  type CachedPart,
  cacheFolder,
  listCache,
  removeFolder,
  removeLeftovers,
} from './pull/model-cache.ts';

const EXAMPLES = `
Examples:
  pixel-llm cache list
  pixel-llm cache clean --older-than 30`;

const LIST_EXAMPLES = `
With --json, stdout has one object: {"folder","byteLength","models":[{"key","name","url","byteLength","files","pulledAt",
"lastUsed","folder"}],"parts":[{"key","url","byteLength","lastUsed","isActive","folder"}]}; parts are unfinished downloads.

Examples:
  pixel-llm cache list
  pixel-llm cache list --json`;

const CLEAN_EXAMPLES = `
A NAME is a model's name or URL as "cache list" shows it. Unfinished downloads go with --all, by their URL, or when nobody went
on with them for 7 days (--older-than says another time); one that a process is working on stays.

Examples:
  pixel-llm cache clean                          only what is left of old unfinished downloads
  pixel-llm cache clean model.pxi.png            this model
  pixel-llm cache clean --older-than 30          what was not used for 30 days
  pixel-llm cache clean --all`;

const DAY_MILLISECONDS = 86_400_000;
const STALE_PART_DAYS = 7;

interface CleanFlags {
  all?: boolean;
  olderThan?: number;
}

export const registerCache: RegisterCommand = (program: Command, context: CommandContext): void => {
  const cache = program
    .command('cache')
    .description('List the models that were pulled, or remove them.')
    .addHelpText('after', EXAMPLES);
  cache
    .command('list')
    .description('The models in the cache, the last used first.')
    .option('--json', 'print them as JSON')
    .addHelpText('after', LIST_EXAMPLES)
    .action(({ json = false }: { json?: boolean }) => list(json, context));
  cache
    .command('clean')
    .description('Remove models and unfinished downloads; says what was removed.')
    .argument('[name...]', 'names or URLs of models')
    .option('--older-than <days>', 'what was not used for so many days', decimalNumber(0))
    .option('--all', 'everything')
    .addHelpText('after', CLEAN_EXAMPLES)
    .action((names: string[], flags: CleanFlags) => clean(names, flags, context));
};

async function list(json: boolean, context: CommandContext): Promise<void> {
  const folder = cacheFolder();
  const { models, parts } = await listCache(folder);
  const byteLength = totalOf([...models, ...parts]);
  if (json) return context.print(`${JSON.stringify({ folder, byteLength, models, parts }, null, 2)}\n`);
  const lines = [...models.map(describeModel), ...parts.map(describePart)];
  const summary = `${folder}: ${models.length} models, ${parts.length} unfinished downloads, ${formatBytes(byteLength)}`;
  await context.print(`${[...lines, summary].join('\n')}\n`);
}

async function clean(names: string[], { all = false, olderThan }: CleanFlags, context: CommandContext): Promise<void> {
  if (names.length > 0 && (all || olderThan !== undefined)) {
    throw new PixelError('bad-argument', 'Give names, or --all or --older-than DAYS: not both.');
  }
  const folder = cacheFolder();
  await removeLeftovers(folder);
  const { models, parts } = await listCache(folder);
  const unknown = names.filter((name) => ![...models, ...parts].some((item) => isNamed(item, name)));
  if (unknown.length > 0) {
    throw new PixelError(
      'bad-argument',
      `The cache has no ${unknown.join(', no ')}: "pixel-llm cache list" shows what it has.`,
    );
  }
  const isChosen = (item: CachedModel | CachedPart, staleDays: number | undefined) => {
    if (names.length > 0) return names.some((name) => isNamed(item, name));
    return all || (staleDays !== undefined && Date.now() - Date.parse(item.lastUsed) > staleDays * DAY_MILLISECONDS);
  };
  const chosenParts = parts.filter((part) => isChosen(part, olderThan ?? STALE_PART_DAYS));
  const busy = chosenParts.filter(({ isActive }) => isActive);
  const removed = [
    ...models.filter((model) => isChosen(model, olderThan)),
    ...chosenParts.filter(({ isActive }) => !isActive),
  ];
  for (const item of removed) {
    await removeFolder(item.folder);
    await context.print(`removed ${'name' in item ? describeModel(item) : describePart(item)}\n`);
  }
  for (const part of busy) context.note(`${describePart(part)}: a process is pulling it, so it stays`);
  const freed = totalOf(removed);
  const rest = totalOf([...models, ...parts]) - freed;
  await context.print(
    `${removed.length} removed, ${formatBytes(freed)} freed; ${formatBytes(rest)} are left in ${folder}\n`,
  );
}

/** By the name or the URL that the list shows. */
function isNamed(item: CachedModel | CachedPart, name: string): boolean {
  return item.url === name || item.key === name || ('name' in item && item.name === name);
}

/** "model.pxi.png  4.68 GB  pulled 2026-01-31, last used 2026-02-14  https://example.org/model.pxi.png" */
function describeModel({ name, byteLength, files, pulledAt, lastUsed, url }: CachedModel): string {
  const inFiles = files.length === 1 ? '' : ` in ${files.length} files`;
  const dates = `pulled ${pulledAt.slice(0, 10)}, last used ${lastUsed.slice(0, 10)}`;
  return `${name}  ${formatBytes(byteLength)}${inFiles}  ${dates}  ${url}`;
}

function describePart({ url, byteLength, lastUsed, isActive }: CachedPart): string {
  const state = isActive ? 'being pulled now' : `stopped ${lastUsed.slice(0, 10)}`;
  return `(unfinished)  ${formatBytes(byteLength)}  ${state}  ${url}`;
}

function totalOf(items: readonly { byteLength: number }[]): number {
  return items.reduce((sum, { byteLength }) => sum + byteLength, 0);
}
