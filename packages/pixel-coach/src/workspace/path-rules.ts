/**
 * Which files an attempt may write. A path must be plain (no way out, no trick of a file system), match the task's own paths, and
 * match none that are protected: tests, lock files, what decides how tests are run, CI, editors' and the coach's own files, git's.
 */
import picomatch from 'picomatch';
import type { TaskAction } from '../store/types.ts';

/** What counts as a test. */
export const TEST_PATHS: readonly string[] = [
  '**/*.{test,spec}.*',
  '**/*_test.*',
  '**/test_*.*',
  '**/{test,tests,__tests__,spec,e2e}/**',
  '**/*.snap',
];

/** Never written by an attempt, whatever its task allows; the configuration adds to them. */
export const PROTECTED_PATHS: readonly string[] = [
  // git
  ...['**/.git', '**/.git/**', '**/.gitattributes', '**/.gitmodules', '**/.gitignore'],
  // What a package is made of and how its tests are run
  ...[
    '**/package.json',
    '**/package-lock.json',
    '**/npm-shrinkwrap.json',
    '**/yarn.lock',
    '**/pnpm-lock.yaml',
    '**/bun.lock*',
    '**/{deno.json*,deno.lock,bunfig.toml}',
  ],
  ...[
    '**/{Cargo,poetry,uv,composer,Gemfile,Pipfile,flake}.lock',
    '**/go.sum',
    '**/.npmrc',
    '**/.yarnrc*',
    '**/.pnpmfile.cjs',
  ],
  ...['**/{vitest,jest,playwright,mocha,ava,karma,cypress}.config.*', '**/.mocharc*', '**/tsconfig*.json'],
  ...[
    '**/conftest.py',
    '**/pytest.ini',
    '**/tox.ini',
    '**/setup.cfg',
    '**/pyproject.toml',
    '**/Makefile',
    '**/node_modules/**',
  ],
  // CI, hooks, and files that editors and shells run by themselves
  ...['.github/**', '.gitlab-ci*', '.circleci/**', '.ci/**', '**/Jenkinsfile', 'azure-pipelines*', '.husky/**'],
  ...['**/.vscode/**', '**/.idea/**', '**/.devcontainer/**', '**/.envrc', '**/.env*'],
  // The coach
  ...['.pixel-coach/**', 'pixel-coach.config.*', 'coach.roadmap.*', 'coach.schema.json'],
];

export interface PathRules {
  /** Why a path may not be written, or undefined if it may. `exists`: the base has a file of that name. */
  refuse(path: string, exists: boolean): string | undefined;
  /** True for what a test restores: tests and all other protected files. */
  isProtected(path: string): boolean;
  isTest(path: string): boolean;
  /** True for a path that the task's own globs name. */
  isAllowed(path: string): boolean;
}

export interface PathRuleOptions {
  readonly action: TaskAction;
  /** The task's. */
  readonly paths: readonly string[];
  /** More protected globs, of the configuration. */
  readonly protectedPaths?: readonly string[];
  /** Instead of TEST_PATHS. */
  readonly testPaths?: readonly string[];
}

// `.GIT` is `.git` on many file systems, so nothing depends on capital letters.
const MATCH = { dot: true, nocase: true } as const;

export function createPathRules({
  action,
  paths,
  protectedPaths = [],
  testPaths = TEST_PATHS,
}: PathRuleOptions): PathRules {
  const isTest = picomatch([...testPaths], MATCH);
  const isGuarded = picomatch([...PROTECTED_PATHS, ...protectedPaths], MATCH);
  const isAllowed = picomatch([...paths], MATCH);
  const refuse = (path: string, exists: boolean): string | undefined => {
    if (!isPlain(path)) return `"${path}" is not a plain path inside the repository`;
    if (isGuarded(path)) return `"${path}" is protected`;
    if (!isAllowed(path)) return `"${path}" is not among the paths of this task (${paths.join(', ')})`;
    if (action !== 'write_tests') return isTest(path) ? `"${path}" is a test, and tests are protected` : undefined;
    if (!isTest(path)) return `"${path}" is not a test file, and this task only adds tests`;
    return exists ? `"${path}" is a test that exists already, and this task only adds tests` : undefined;
  };
  return { refuse, isTest, isAllowed, isProtected: (path) => isGuarded(path) || isTest(path) };
}

/** No part that climbs, hides or means another name to some file system. */
function isPlain(path: string): boolean {
  if (path.length === 0 || path.length > 1000 || /[\\:\p{Cc}\p{Cf}\p{Cs}]/u.test(path)) return false;
  return path
    .normalize('NFC')
    .split('/')
    .every((part) => part !== '' && part !== '.' && part !== '..' && !/[. ]$/.test(part) && !/^git~\d+$/i.test(part));
}
