/** A real git repository in a temporary folder, for tests. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { openRepository, type Repository } from '../src/index.ts';

export interface TestRepository extends Disposable {
  readonly folder: string;
  readonly repository: Repository;
  git(...parameters: string[]): string;
  write(files: Readonly<Record<string, string>>): void;
  commit(files: Readonly<Record<string, string>>): string;
}

export async function repositoryOf(files: Readonly<Record<string, string>>): Promise<TestRepository> {
  const folder = mkdtempSync(join(tmpdir(), 'pixel-coach-repository-'));
  const git = (...parameters: string[]): string =>
    execFileSync('git', parameters, { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim();
  const write = (texts: Readonly<Record<string, string>>): void => {
    for (const [path, text] of Object.entries(texts)) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), text);
    }
  };
  const commit = (texts: Readonly<Record<string, string>>): string => {
    write(texts);
    git('add', '-A');
    git(
      '-c',
      'user.name=A Person',
      '-c',
      'user.email=person@example.com',
      'commit',
      '-q',
      '--allow-empty',
      '-m',
      'files',
    );
    return git('rev-parse', 'HEAD');
  };
  git('init', '-q', '-b', 'main');
  commit(files);
  return {
    folder,
    repository: await openRepository(folder),
    git,
    write,
    commit,
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  };
}
