/**
 * Makes commits without a working tree: a change is a list of contents, written as git objects on top of a commit. Branches are moved
 * only if they stand where they were expected, and only those of the coach (coach/...).
 */
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { CoachError } from '../core/errors.ts';
import type { ChangedFile } from '../store/types.ts';
import { git, gitLine, gitNow } from './git.ts';
import type { Repository, Snapshot } from './repository.ts';
import { makeTemporaryFolder } from './temporary-folders.ts';

const BRANCH_PREFIX = 'coach/';
const NOTHING = '0'.repeat(40);
const IDENTITY = { name: 'pixel-coach', email: 'pixel-coach@users.noreply.invalid' } as const;

/** The unified diff of a change. Leaves no object in the repository. */
export async function diffOf(repository: Repository, base: Snapshot, files: readonly ChangedFile[]): Promise<string> {
  const scratch = makeTemporaryFolder();
  try {
    const objects = await gitLine(repository.folder, ['rev-parse', '--path-format=absolute', '--git-path', 'objects']);
    mkdirSync(join(scratch, 'objects'));
    const environment = {
      GIT_OBJECT_DIRECTORY: join(scratch, 'objects'),
      GIT_ALTERNATE_OBJECT_DIRECTORIES: objects,
      GIT_INDEX_FILE: join(scratch, 'index'),
    };
    const tree = await writeTree(repository, base, files, environment);
    const plain = ['--no-ext-diff', '--no-textconv', '--no-color', '--no-renames'];
    return (await git(repository.folder, ['diff-tree', '-p', ...plain, base.commit, tree], { environment })).toString(
      'utf8',
    );
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** Writes a commit of `files` on top of `base` and gives back its name. No branch points to it yet. */
export async function writeCommit(
  repository: Repository,
  base: Snapshot,
  files: readonly ChangedFile[],
  message: string,
): Promise<string> {
  const scratch = makeTemporaryFolder();
  try {
    const tree = await writeTree(repository, base, files, { GIT_INDEX_FILE: join(scratch, 'index') });
    return await commitTree(repository, tree, [base.commit], message);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** Merges `commit` into `tip` without a working tree; undefined when they conflict. */
export async function mergeCommits(
  repository: Repository,
  tip: string,
  commit: string,
  message: string,
): Promise<string | undefined> {
  const merged = await gitLine(repository.folder, ['merge-tree', '--write-tree', '--no-messages', tip, commit]).catch(
    () => undefined,
  );
  if (merged === undefined || !/^[0-9a-f]{40,64}$/.test(merged)) return undefined;
  return commitTree(repository, merged, [tip, commit], message);
}

/** Where a branch of the coach stands, or undefined. */
export async function branchTip({ folder }: Repository, branch: string): Promise<string | undefined> {
  return gitLine(folder, ['rev-parse', '--verify', '--quiet', `${refOf(branch)}^{commit}`]).catch(() => undefined);
}

/**
 * Moves a branch of the coach from `expected` to `commit`, or throws `git` and moves nothing: somebody else moved it, or somebody has
 * it checked out, and their files would no longer be what their branch says. A branch that is not there yet begins at `expected`.
 */
export function moveBranch({ folder }: Repository, branch: string, commit: string, expected: string): void {
  const ref = refOf(branch);
  const worktrees = gitNow(folder, ['worktree', 'list', '--porcelain']);
  if (worktrees.split('\n').includes(`branch ${ref}`))
    throw new CoachError(
      'git',
      `The branch ${branch} is checked out; check out another one, so that the coach can add to it.`,
    );
  const exists = gitNow(folder, ['for-each-ref', '--format=%(objectname)', ref]) !== '';
  gitNow(folder, ['update-ref', ref, commit, exists ? expected : NOTHING]);
}

async function writeTree(
  { folder }: Repository,
  base: Snapshot,
  files: readonly ChangedFile[],
  environment: Readonly<Record<string, string>>,
): Promise<string> {
  await git(folder, ['read-tree', base.commit], { environment });
  const lines: string[] = [];
  for (const { path, content } of files) {
    const mode = base.entries.get(path)?.mode ?? '100644';
    const object =
      content === null
        ? undefined
        : await gitLine(folder, ['hash-object', '-w', '--no-filters', '--stdin'], { input: content, environment });
    lines.push(object === undefined ? `0 ${NOTHING}\t${path}\0` : `${mode} ${object}\t${path}\0`);
  }
  await git(folder, ['update-index', '-z', '--index-info'], { input: lines.join(''), environment });
  return gitLine(folder, ['write-tree'], { environment });
}

async function commitTree(
  { folder }: Repository,
  tree: string,
  parents: readonly string[],
  message: string,
): Promise<string> {
  const environment = {
    GIT_AUTHOR_NAME: IDENTITY.name,
    GIT_AUTHOR_EMAIL: IDENTITY.email,
    GIT_COMMITTER_NAME: IDENTITY.name,
    GIT_COMMITTER_EMAIL: IDENTITY.email,
  };
  const from = parents.flatMap((parent) => ['-p', parent]);
  return gitLine(folder, ['commit-tree', tree, ...from, '-F', '-'], { input: message, environment });
}

function refOf(branch: string): string {
  if (!branch.startsWith(BRANCH_PREFIX) || !/^[A-Za-z0-9/._-]+$/.test(branch) || branch.includes('..'))
    throw new CoachError('bad-argument', `"${branch}" is not a branch of the coach (${BRANCH_PREFIX}...).`);
  return `refs/heads/${branch}`;
}
