import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { repositoryOf } from '../../test/repository-of.ts';
import { branchTip, diffOf, mergeCommits, moveBranch, writeCommit } from './commit.ts';
import { exportTree } from './export.ts';
import { isAncestor, openRepository, openSnapshot, resolveCommit } from './repository.ts';
import { makeTemporaryFolder, removeStaleFolders } from './temporary-folders.ts';

const FILES = { 'a.txt': 'a\n', 'sub/b.sh': '#!/bin/sh\n', 'sub/c.txt': 'c\n', 'test/t.txt': 'trusted\n' };

describe('A change', () => {
  test('becomes a commit on a branch of the coach, and neither index, files nor branch of the user move', async () => {
    using made = await repositoryOf(FILES);
    chmodSync(join(made.folder, 'sub/b.sh'), 0o755);
    const base = made.commit({});
    made.write({ 'a.txt': 'uncommitted\n', 'staged.txt': 's\n' });
    made.git('add', 'staged.txt');
    const before = [made.git('status', '--porcelain'), made.git('rev-parse', 'main')];
    const snapshot = await openSnapshot(made.repository, base);
    const files = [
      { path: 'a.txt', content: 'A\n' },
      { path: 'sub/b.sh', content: '#!/bin/sh\ntrue\n' },
      { path: 'sub/c.txt', content: null },
      { path: 'new/d e"ü.txt', content: 'd' },
    ];
    moveBranch(made.repository, 'coach/run', base, base);
    const commit = await writeCommit(made.repository, snapshot, files, 'Title\n\nCoach-Task: t\n');
    moveBranch(made.repository, 'coach/run', commit, base);
    assert.deepEqual([made.git('status', '--porcelain'), made.git('rev-parse', 'main')], before);
    assert.equal(await branchTip(made.repository, 'coach/run'), commit);
    const after = await openSnapshot(made.repository, commit);
    assert.deepEqual([...after.entries.keys()].sort(), ['a.txt', 'new/d e"ü.txt', 'sub/b.sh', 'test/t.txt']);
    assert.equal(after.entries.get('sub/b.sh')?.mode, '100755');
    assert.equal(await after.read('a.txt'), 'A\n');
    assert.equal(made.git('log', '-1', '--format=%(trailers:key=Coach-Task)', commit).trim(), 'Coach-Task: t');
    assert.deepEqual(
      [await isAncestor(made.repository, base, commit), await isAncestor(made.repository, commit, base)],
      [true, false],
    );
  });

  test('has a diff, which leaves nothing behind in the repository', async () => {
    using made = await repositoryOf(FILES);
    const snapshot = await openSnapshot(made.repository, await resolveCommit(made.repository, 'HEAD'));
    const before = made.git('count-objects', '-v');
    const diff = await diffOf(made.repository, snapshot, [{ path: 'a.txt', content: 'b\n' }]);
    assert.match(diff, /^--- a\/a.txt\n\+\+\+ b\/a.txt\n@@ -1 \+1 @@\n-a\n\+b\n/m);
    assert.equal(made.git('count-objects', '-v'), before);
  });

  test('moves a branch only from where it was expected, only one of the coach, and never one that is checked out', async () => {
    using made = await repositoryOf(FILES);
    const base = made.git('rev-parse', 'HEAD');
    const other = made.commit({ 'a.txt': 'x' });
    moveBranch(made.repository, 'coach/run', base, base);
    assert.throws(() => moveBranch(made.repository, 'coach/run', other, other), { code: 'git' });
    for (const branch of ['main', 'coach/../main', 'coach/a b'])
      assert.throws(() => moveBranch(made.repository, branch, other, other), { code: 'bad-argument' });
    made.git('checkout', '-q', 'coach/run');
    assert.throws(() => moveBranch(made.repository, 'coach/run', other, base), { code: 'git', message: /checked out/ });
    assert.equal(await branchTip(made.repository, 'coach/run'), base);
    assert.equal(await branchTip(made.repository, 'coach/none'), undefined);
  });

  test('of another run is merged, or not where they conflict', async () => {
    using made = await repositoryOf(FILES);
    const snapshot = await openSnapshot(made.repository, made.git('rev-parse', 'HEAD'));
    const commitOf = (path: string, content: string) =>
      writeCommit(made.repository, snapshot, [{ path, content }], 'c');
    const [one, two, three] = [
      await commitOf('a.txt', '1'),
      await commitOf('sub/c.txt', '2'),
      await commitOf('a.txt', '3'),
    ];
    const merged = await mergeCommits(made.repository, one, two, 'merge');
    const after = await openSnapshot(made.repository, merged ?? '');
    assert.deepEqual([await after.read('a.txt'), await after.read('sub/c.txt')], ['1', '2']);
    assert.equal(await mergeCommits(made.repository, one, three, 'merge'), undefined);
  });

  test('runs no hook, monitor or filter that the repository or a model names', async () => {
    using made = await repositoryOf(FILES);
    const mark = join(made.folder, '..', `hook-ran-${process.pid}`);
    for (const hook of ['reference-transaction', 'post-commit', 'pre-commit', 'post-index-change'])
      writeFileSync(join(made.folder, '.git/hooks', hook), `#!/bin/sh\ntouch ${mark}\n`, { mode: 0o755 });
    made.git('config', 'core.fsmonitor', `touch ${mark}; false`);
    made.git('config', 'filter.evil.clean', `touch ${mark}; cat`);
    made.git('config', 'filter.evil.smudge', `touch ${mark}; cat`);
    made.git('config', 'diff.evil.textconv', `touch ${mark}; cat`);
    const base = made.git('-c', 'core.hooksPath=/dev/null', '-c', 'core.fsmonitor=false', 'rev-parse', 'HEAD');
    const repository = await openRepository(made.folder);
    const snapshot = await openSnapshot(repository, base);
    const files = [
      { path: '.gitattributes', content: '* filter=evil diff=evil\n' },
      { path: 'a.txt', content: 'b\n' },
    ];
    moveBranch(repository, 'coach/run', base, base);
    await diffOf(repository, snapshot, files);
    const commit = await writeCommit(repository, snapshot, files, 'm');
    moveBranch(repository, 'coach/run', commit, base);
    using exported = await exportTree(await openSnapshot(repository, commit), [], () => false);
    assert.ok(existsSync(join(exported.folder, 'a.txt')));
    assert.ok(!existsSync(mark));
  });
});

describe('An export', () => {
  test('holds the commit with the change, trusted files from the commit, no .git, and is gone afterwards', async () => {
    using made = await repositoryOf(FILES);
    made.write({ 'untracked.txt': 'secret', 'a.txt': 'uncommitted' });
    const snapshot = await openSnapshot(made.repository, made.git('rev-parse', 'HEAD'));
    const change = [
      { path: 'a.txt', content: 'changed' },
      { path: 'sub/c.txt', content: null },
      { path: 'test/t.txt', content: 'cheat' },
      { path: 'test/new.txt', content: 'cheat' },
    ];
    let folder: string;
    {
      using exported = await exportTree(snapshot, change, (path) => path.startsWith('test/'), {
        folders: ['node_modules'],
      });
      folder = exported.folder;
      assert.deepEqual(readdirSync(folder, { recursive: true }).sort(), [
        'a.txt',
        'node_modules',
        'sub',
        'sub/b.sh',
        'test',
        'test/t.txt',
      ]);
      assert.equal(readFileSync(join(folder, 'a.txt'), 'utf8'), 'changed');
      assert.equal(readFileSync(join(folder, 'test/t.txt'), 'utf8'), 'trusted\n');
      assert.equal(statSync(join(folder, 'sub')).mode & 0o777, 0o755);
    }
    assert.ok(!existsSync(folder));
  });

  test('is readable in the sandbox under a strict mask too', async () => {
    using made = await repositoryOf(FILES);
    const snapshot = await openSnapshot(made.repository, made.git('rev-parse', 'HEAD'));
    const mask = process.umask(0o077);
    try {
      using exported = await exportTree(snapshot, [], () => false);
      assert.equal(statSync(join(exported.folder, 'sub')).mode & 0o777, 0o755);
      assert.equal(statSync(join(exported.folder, 'sub/c.txt')).mode & 0o777, 0o644);
    } finally {
      process.umask(mask);
    }
  });
});

test('A folder without a repository or a commit is refused', async () => {
  await assert.rejects(openRepository(tmpdir()), { code: 'not-a-repository', message: /git init/ });
});

test('Folders that a killed process left behind are removed a day later, and no others', () => {
  const mine = makeTemporaryFolder();
  removeStaleFolders();
  assert.ok(existsSync(mine));
  utimesSync(mine, 0, 0);
  const other = mkdtempSync(join(tmpdir(), 'pixel-coach-other-'));
  utimesSync(other, 0, 0);
  removeStaleFolders();
  assert.deepEqual([existsSync(mine), existsSync(other)], [false, true]);
  rmSync(other, { recursive: true });
});
