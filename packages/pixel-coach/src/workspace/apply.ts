/**
 * Turns a parsed answer into the files that it makes of a commit. Nothing is written: a change is a list of paths and contents, and
 * what is later tested and committed is exactly that list. What does not fit is said in words that a model can act on.
 */
import type { ChangedFile } from '../store/types.ts';
import type { Block, Edit } from './answer.ts';
import type { PathRules } from './path-rules.ts';
import type { Snapshot } from './repository.ts';

export interface ChangeLimits {
  readonly files: number;
  readonly fileBytes: number;
  readonly totalBytes: number;
}

const DEFAULT_CHANGE_LIMITS: ChangeLimits = { files: 50, fileBytes: 2 ** 20, totalBytes: 4 * 2 ** 20 };

export interface AppliedChange {
  readonly files: readonly ChangedFile[];
  readonly problems: readonly string[];
}

const MOST_LINES_SHOWN = 12;

export async function applyEdits(
  edits: readonly Edit[],
  snapshot: Snapshot,
  rules: PathRules,
  limits: ChangeLimits = DEFAULT_CHANGE_LIMITS,
): Promise<AppliedChange> {
  const files = new Map<string, string | null>();
  const problems: string[] = [];
  for (const edit of edits) {
    const refusal = rules.refuse(edit.path, snapshot.entries.has(edit.path)) ?? refusePlace(edit.path, snapshot, files);
    if (refusal !== undefined) {
      problems.push(`${refusal}.`);
      continue;
    }
    const changed = files.get(edit.path);
    const before = changed === undefined ? await snapshot.read(edit.path) : (changed ?? undefined);
    const result = applyEdit(edit, before);
    problems.push(...result.problems);
    if (result.content !== undefined) files.set(edit.path, result.content);
  }
  problems.push(...exceededLimits(files, limits));
  const changed: ChangedFile[] = [];
  for (const [path, content] of files) if (content !== (await snapshot.read(path))) changed.push({ path, content });
  if (changed.length === 0 && problems.length === 0)
    problems.push('The answer changes nothing: all files are as before.');
  return { files: changed.toSorted((a, b) => (a.path < b.path ? -1 : 1)), problems };
}

/** A file cannot stand where a folder is, below a file, or behind a symbolic link. */
function refusePlace(
  path: string,
  { entries }: Snapshot,
  files: ReadonlyMap<string, string | null>,
): string | undefined {
  const entry = entries.get(path);
  if (entry !== undefined && !entry.mode.startsWith('100')) return `"${path}" is not an ordinary file`;
  const parts = path.split('/');
  for (let length = 1; length < parts.length; length++) {
    const parent = parts.slice(0, length).join('/');
    if (entries.has(parent) || typeof files.get(parent) === 'string') return `"${parent}" is not a folder`;
  }
  const below = `${path}/`;
  for (const other of [...entries.keys(), ...files.keys()]) if (other.startsWith(below)) return `"${path}" is a folder`;
  return undefined;
}

interface EditResult {
  /** Null deletes the file; undefined leaves it. */
  readonly content: string | null | undefined;
  readonly problems: readonly string[];
}

function applyEdit(edit: Edit, before: string | undefined): EditResult {
  if (edit.kind === 'file') return { content: withEndings(edit.content, before), problems: [] };
  if (before === undefined)
    return {
      content: undefined,
      problems: [
        `${edit.path} does not exist, so it cannot be ${edit.kind === 'edit' ? 'edited; write it as a FILE' : 'deleted'}.`,
      ],
    };
  if (edit.kind === 'delete') return { content: null, problems: [] };
  let content = before;
  const problems: string[] = [];
  for (const [index, block] of edit.blocks.entries()) {
    const result = replaceOnce(content, block);
    if (typeof result === 'string') content = result;
    else problems.push(`EDIT ${edit.path}, block ${index + 1}: ${result.problem}`);
  }
  return { content: problems.length > 0 ? undefined : content, problems };
}

function replaceOnce(content: string, block: Block): string | { readonly problem: string } {
  const search = withEndings(block.search, content);
  const replace = withEndings(block.replace, content);
  if (block.search.trim() === '')
    return content.trim() === '' ? replace : { problem: 'the SEARCH part is empty; quote the lines to be replaced.' };
  // The file's last line may have no line break.
  const padded = content.endsWith('\n') ? content : `${content}\n`;
  const places = lineMatches(padded, search);
  if (places.length === 1) {
    const [at = 0] = places;
    return padded.slice(0, at) + replace + padded.slice(at + search.length);
  }
  if (places.length > 1)
    return {
      problem: `the SEARCH part stands ${places.length} times in the file; quote more lines, so that it stands there once.`,
    };
  return {
    problem: `the SEARCH part does not stand in the file, character for character.${closest(content, block.search)}`,
  };
}

/** Offsets where `search`, whole lines, begins at a line's beginning. */
function lineMatches(content: string, search: string): number[] {
  const places: number[] = [];
  for (let at = content.indexOf(search); at >= 0; at = content.indexOf(search, at + 1))
    if (at === 0 || content[at - 1] === '\n') places.push(at);
  return places;
}

/** Shows the lines of the file that look most like what was searched for. */
function closest(content: string, search: string): string {
  const wanted = search
    .trimEnd()
    .split('\n')
    .map((line) => line.trim());
  const lines = content.split(/\r?\n/);
  let best = { at: 0, equal: 0 };
  for (let at = 0; at < lines.length; at++) {
    const equal = wanted.filter((line, index) => line !== '' && lines[at + index]?.trim() === line).length;
    if (equal > best.equal) best = { at, equal };
  }
  if (best.equal === 0) return '';
  const shown = lines.slice(best.at, best.at + Math.min(wanted.length, MOST_LINES_SHOWN));
  return ` The closest lines are, from line ${best.at + 1}:\n${shown.join('\n')}`;
}

/** A file with CRLF keeps it. */
function withEndings(text: string, like: string | undefined): string {
  return like?.includes('\r\n') ? text.replace(/\r?\n/g, '\r\n') : text;
}

function exceededLimits(files: ReadonlyMap<string, string | null>, limits: ChangeLimits): string[] {
  const problems: string[] = [];
  let total = 0;
  for (const [path, content] of files) {
    const bytes = Buffer.byteLength(content ?? '');
    total += bytes;
    if (bytes > limits.fileBytes) problems.push(`${path} has ${bytes} bytes; at most ${limits.fileBytes} are allowed.`);
    if (content?.includes('\0')) problems.push(`${path} holds a zero byte; only text files are allowed.`);
  }
  if (files.size > limits.files) problems.push(`${files.size} files are changed; at most ${limits.files} are allowed.`);
  if (total > limits.totalBytes)
    problems.push(`The files have ${total} bytes together; at most ${limits.totalBytes} are allowed.`);
  return problems;
}
