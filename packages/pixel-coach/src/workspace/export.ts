/**
 * A fresh copy of a commit's files with a change applied, for the sandbox to look at. It holds no `.git`, is written from git's
 * objects (no filter, no attribute is heeded), lies outside the repository, and is never read again.
 */
import { chmodSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { ChangedFile } from '../store/types.ts';
import type { Snapshot, TreeEntry } from './repository.ts';
import { makeTemporaryFolder } from './temporary-folders.ts';

export interface ExportedTree extends Disposable {
  readonly folder: string;
}

/** Files are read in portions, so that a large repository does not have to fit into memory at once. */
const PORTION_BYTES = 32 * 2 ** 20;

export interface ExportOptions {
  /** Leaves files out: the export for a test without the change, or without hidden tests. */
  readonly omit?: (path: string) => boolean;
  /** Folders that must exist, to be mounted over. */
  readonly folders?: readonly string[];
}

/**
 * Writes the commit's files with `files` in place of theirs; a path that `isTrusted` names always comes from the commit, whatever the
 * change says.
 */
export async function exportTree(
  snapshot: Snapshot,
  files: readonly ChangedFile[],
  isTrusted: (path: string) => boolean,
  { omit = () => false, folders = [] }: ExportOptions = {},
): Promise<ExportedTree> {
  // Closed to everybody else on this machine; in the sandbox the folder within is mounted, and open.
  const root = makeTemporaryFolder();
  const folder = join(root, 'work');
  const dispose = (): void => rmSync(root, { recursive: true, force: true });
  try {
    makeFolder(folder);
    const changed = new Map(files.filter(({ path }) => !isTrusted(path)).map(({ path, content }) => [path, content]));
    const kept = [...snapshot.entries.values()].filter(({ path }) => !changed.has(path) && !omit(path));
    for (const portion of portions(kept)) {
      const contents = await snapshot.readAll(portion);
      for (const [index, entry] of portion.entries()) writeEntry(folder, entry, contents[index] ?? Buffer.alloc(0));
    }
    for (const [path, content] of changed)
      if (content !== null) writeFile(folder, path, Buffer.from(content), snapshot.entries.get(path)?.mode ?? '100644');
    for (const path of folders) makeFolder(join(folder, path));
    return { folder, [Symbol.dispose]: dispose };
  } catch (error) {
    dispose();
    throw error;
  }
}

function* portions(entries: readonly TreeEntry[]): Generator<TreeEntry[]> {
  let portion: TreeEntry[] = [];
  let bytes = 0;
  for (const entry of entries) {
    // A submodule is a commit of another repository.
    if (entry.mode === '160000') continue;
    if (bytes > PORTION_BYTES) {
      yield portion;
      portion = [];
      bytes = 0;
    }
    portion.push(entry);
    bytes += entry.size;
  }
  if (portion.length > 0) yield portion;
}

function writeEntry(folder: string, { path, mode }: TreeEntry, content: Buffer): void {
  if (mode !== '120000') {
    writeFile(folder, path, content, mode);
    return;
  }
  const place = join(folder, path);
  makeFolder(dirname(place));
  symlinkSync(content.toString('utf8'), place);
}

function writeFile(folder: string, path: string, content: Buffer, mode: string): void {
  const place = join(folder, path);
  makeFolder(dirname(place));
  const permissions = mode === '100755' ? 0o755 : 0o644;
  // Never through something that is there already.
  writeFileSync(place, content, { flag: 'wx', mode: permissions });
  if (isStrict()) chmodSync(place, permissions);
}

function makeFolder(path: string): void {
  const first = mkdirSync(path, { recursive: true, mode: 0o755 });
  if (first === undefined || !isStrict()) return;
  for (let made = path; made.length >= first.length; made = dirname(made)) chmodSync(made, 0o755);
}

/** True when the process's mask would hide what it writes from the sandbox's user. */
function isStrict(): boolean {
  return (process.umask() & 0o055) !== 0;
}
