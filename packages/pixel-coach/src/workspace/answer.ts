/**
 * Reads what a model answered: whole files, search/replace blocks and deletions, each under a header line.
 *
 *     ### FILE: src/add.ts         ### EDIT: src/add.ts          ### DELETE: src/old.ts
 *     ```ts                        <<<<<<< SEARCH
 *     the whole file               lines as they are
 *     ```                          =======
 *                                  lines as they should be
 *                                  >>>>>>> REPLACE
 *
 * An EDIT holds one or more blocks, fenced or not. Text between the parts is the model thinking aloud and is ignored.
 */

export interface Block {
  readonly search: string;
  readonly replace: string;
}

export type Edit =
  | { readonly kind: 'file'; readonly path: string; readonly content: string }
  | { readonly kind: 'edit'; readonly path: string; readonly blocks: readonly Block[] }
  | { readonly kind: 'delete'; readonly path: string };

export interface ParsedAnswer {
  readonly edits: readonly Edit[];
  /** What cannot be understood, in words for the model. */
  readonly problems: readonly string[];
}

const HEADER = /^\s{0,3}#{0,6}\s*\**\s*(FILE|EDIT|DELETE)\s*\**\s*:\s*\**\s*`?([^`*]+?)`?\s*\**\s*$/;
const FENCE = /^\s{0,3}(`{3,}|~{3,})[^`]*$/;
const SEARCH = /^<{5,9} ?SEARCH\s*$/;
const DIVIDER = /^={5,9}\s*$/;
const REPLACE = /^>{5,9} ?REPLACE\s*$/;

export function parseAnswer(text: string): ParsedAnswer {
  const lines = text.replace(/\r\n/g, '\n').split('\n');
  const edits: Edit[] = [];
  const problems: string[] = [];
  for (let at = 0; at < lines.length; ) {
    const [, kind, path = ''] = HEADER.exec(lines[at] ?? '') ?? [];
    at++;
    if (kind === undefined) continue;
    if (kind === 'DELETE') {
      edits.push({ kind: 'delete', path });
      continue;
    }
    const part = kind === 'FILE' ? readFile(lines, at, path) : readBlocks(lines, at, path);
    if (typeof part.result === 'string') problems.push(part.result);
    else edits.push(part.result);
    at = part.next;
  }
  if (edits.length === 0 && problems.length === 0)
    problems.push('The answer holds no "### FILE: path", "### EDIT: path" or "### DELETE: path" part.');
  return { edits, problems };
}

interface Part {
  /** The edit, or what is wrong. */
  readonly result: Edit | string;
  readonly next: number;
}

function readFile(lines: readonly string[], from: number, path: string): Part {
  let at = from;
  while (at < lines.length && lines[at]?.trim() === '') at++;
  const fence = FENCE.exec(lines[at] ?? '')?.[1];
  if (fence === undefined) return { result: `FILE ${path}: a line of \`\`\` must follow the header.`, next: at };
  const begin = at + 1;
  const end = lines.findIndex((line, index) => index >= begin && isClosing(line, fence));
  if (end < 0)
    return {
      result: `FILE ${path}: the closing line of ${fence} is missing; the answer may have been cut off. Write shorter.`,
      next: lines.length,
    };
  // A fence inside the file, of the same length, would have ended it early: what follows then is neither empty nor a header.
  const content = lines.slice(begin, end).join('\n');
  return { result: { kind: 'file', path, content: content === '' ? '' : `${content}\n` }, next: end + 1 };
}

function isClosing(line: string, fence: string): boolean {
  const mark = line.trim();
  return mark.length >= fence.length && mark === (fence[0] ?? '').repeat(mark.length);
}

function readBlocks(lines: readonly string[], from: number, path: string): Part {
  const blocks: Block[] = [];
  let at = from;
  while (at < lines.length) {
    const line = lines[at] ?? '';
    if (HEADER.test(line)) break;
    at++;
    if (!SEARCH.test(line)) continue;
    const divider = find(lines, at, DIVIDER);
    const end = find(lines, divider + 1, REPLACE);
    if (divider < 0 || end < 0)
      return {
        result: `EDIT ${path}: a block is not closed; it is "<<<<<<< SEARCH", "=======", ">>>>>>> REPLACE", each on its own line.`,
        next: lines.length,
      };
    blocks.push({ search: text(lines, at, divider), replace: text(lines, divider + 1, end) });
    at = end + 1;
  }
  if (blocks.length === 0) return { result: `EDIT ${path}: there is no "<<<<<<< SEARCH" block below it.`, next: at };
  return { result: { kind: 'edit', path, blocks }, next: at };
}

function find(lines: readonly string[], from: number, pattern: RegExp): number {
  if (from <= 0) return -1;
  return lines.findIndex((line, index) => index >= from && pattern.test(line));
}

function text(lines: readonly string[], from: number, to: number): string {
  return lines
    .slice(from, to)
    .map((line) => `${line}\n`)
    .join('');
}
