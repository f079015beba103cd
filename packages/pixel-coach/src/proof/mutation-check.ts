/**
 * Whether new tests are worth anything: they pass on the present code, and fail when the code under test is broken in small ways.
 * Code under test is what the tests import from the repository, or, when they import nothing, what the task shows the model.
 */
import { dirname, join } from 'node:path/posix';
import type { ChangedFile } from '../store/types.ts';
import type { PathRules } from '../workspace/path-rules.ts';
import type { Snapshot } from '../workspace/repository.ts';
import { chooseMutations, type Mutation, mutationsOf } from './mutations.ts';
import { runTests, type TestSettings } from './run-tests.ts';

export interface MutationReport {
  readonly planted: number;
  readonly noticed: number;
  /** Those that no test noticed, in words for the model. */
  readonly missed: readonly string[];
}

export interface MutationRequest {
  readonly command: string;
  readonly snapshot: Snapshot;
  /** The new tests. */
  readonly files: readonly ChangedFile[];
  readonly rules: PathRules;
  /** Files that may be mutated when the tests import none. */
  readonly context: readonly string[];
  /** Time that the tests took on the present code. */
  readonly milliseconds: number;
  readonly most?: number;
  readonly signal?: AbortSignal | undefined;
}

const MOST_MUTATIONS = 20;
const IMPORT = /(?:from|import|require)\s*\(?\s*['"](\.{1,2}\/[^'"]+)['"]/g;

export async function checkMutations(settings: TestSettings, request: MutationRequest): Promise<MutationReport> {
  const { command, snapshot, files, rules, most = MOST_MUTATIONS, signal } = request;
  const mutations: Mutation[] = [];
  for (const path of codeUnderTest(request)) mutations.push(...mutationsOf(path, (await snapshot.read(path)) ?? ''));
  const chosen = chooseMutations(mutations, most);
  const missed: string[] = [];
  // An endless loop is noticed too, but nobody should wait long for it.
  const limits = { ...settings.limits, wallClockMilliseconds: 5000 + 3 * request.milliseconds };
  const isTrusted = trusting(rules, files);
  for (const { path, line, what, content } of chosen) {
    const mutated = [...files, { path, content }];
    const { outcome } = await runTests(
      { ...settings, limits },
      { command, snapshot, files: mutated, isTrusted, signal },
    );
    if (outcome.passed) missed.push(`${path}, line ${line}: ${what}`);
  }
  return { planted: chosen.length, noticed: chosen.length - missed.length, missed };
}

/** In a task that writes tests, its own new files are run; everything else that is protected stays as it was. */
export function trusting(rules: PathRules, files: readonly ChangedFile[]): (path: string) => boolean {
  const own = new Set(files.map(({ path }) => path));
  return (path) => rules.isProtected(path) && !own.has(path);
}

function codeUnderTest({ snapshot, files, rules, context }: MutationRequest): string[] {
  const imported = new Set<string>();
  for (const { path, content } of files)
    for (const [, name = ''] of (content ?? '').matchAll(IMPORT)) {
      const target = join(dirname(path), name);
      const found = [target, `${target}.ts`, `${target}.js`, target.replace(/\.js$/, '.ts')].find((candidate) =>
        snapshot.entries.has(candidate),
      );
      if (found !== undefined && !rules.isTest(found)) imported.add(found);
    }
  return imported.size > 0
    ? [...imported]
    : context.filter((path) => snapshot.entries.has(path) && !rules.isTest(path));
}
