/** The user's repository, as the coach reads it: commits, and the files in them. The working tree is never looked at. */
import { CoachError } from '../core/errors.ts';
import { git, gitLine } from './git.ts';

export interface TreeEntry {
  readonly path: string;
  /** 100644, 100755, 120000 (a symbolic link) or 160000 (a submodule). */
  readonly mode: string;
  readonly object: string;
  /** 0 for a submodule. */
  readonly size: number;
}

/** The files of one commit. */
export interface Snapshot {
  readonly commit: string;
  readonly entries: ReadonlyMap<string, TreeEntry>;
  /** Contents as text, of ordinary files only; undefined where there is none of that path. */
  read(path: string): Promise<string | undefined>;
  /** Contents of many files at once, in the order of the entries. */
  readAll(entries: readonly TreeEntry[]): Promise<Buffer[]>;
}

export interface Repository {
  /** Top folder of the working tree. */
  readonly folder: string;
}

/** Throws `not-a-repository`. */
export async function openRepository(folder: string): Promise<Repository> {
  try {
    const top = await gitLine(folder, ['rev-parse', '--show-toplevel']);
    await gitLine(top, ['rev-parse', '--verify', 'HEAD^{commit}']);
    return { folder: top };
  } catch (cause) {
    const why = cause instanceof Error ? ` (${cause.message})` : '';
    throw new CoachError(
      'not-a-repository',
      `${folder} is not in a git repository with at least one commit${why}. "git init", then commit what is there.`,
      { cause },
    );
  }
}

/** The full name of the commit that `revision` means. Throws `git`. */
export async function resolveCommit({ folder }: Repository, revision: string): Promise<string> {
  return gitLine(folder, ['rev-parse', '--verify', '--end-of-options', `${revision}^{commit}`]);
}

export async function isAncestor({ folder }: Repository, commit: string, of: string): Promise<boolean> {
  const base = await gitLine(folder, ['merge-base', commit, of]).catch(() => '');
  return base === commit;
}

export async function openSnapshot({ folder }: Repository, commit: string): Promise<Snapshot> {
  const listing = (await git(folder, ['ls-tree', '-r', '-l', '-z', '--full-tree', commit])).toString('utf8');
  const entries = new Map<string, TreeEntry>();
  for (const line of listing.split('\0')) {
    const match = /^(\d+) \w+ ([0-9a-f]+) +(\d+|-)\t(.+)$/s.exec(line);
    if (match === null) continue;
    const [, mode = '', object = '', size = '', path = ''] = match;
    entries.set(path, { path, mode, object, size: size === '-' ? 0 : Number(size) });
  }
  const readAll = (wanted: readonly TreeEntry[]): Promise<Buffer[]> => readObjects(folder, wanted);
  const read = async (path: string): Promise<string | undefined> => {
    const entry = entries.get(path);
    if (entry === undefined || !entry.mode.startsWith('100')) return undefined;
    const [content] = await readAll([entry]);
    return content?.toString('utf8');
  };
  return { commit, entries, read, readAll };
}

async function readObjects(folder: string, entries: readonly TreeEntry[]): Promise<Buffer[]> {
  if (entries.length === 0) return [];
  const input = entries.map(({ object }) => `${object}\n`).join('');
  const output = await git(folder, ['cat-file', '--batch'], { input });
  const contents: Buffer[] = [];
  for (let at = 0; at < output.length; ) {
    // "<object> blob <size>\n<content>\n"
    const end = output.indexOf(10, at);
    const size = Number(output.toString('latin1', at, end).split(' ')[2]);
    if (!Number.isSafeInteger(size)) throw new CoachError('git', 'git cat-file does not know an object of the tree.');
    contents.push(output.subarray(end + 1, end + 1 + size));
    at = end + 1 + size + 1;
  }
  return contents;
}
