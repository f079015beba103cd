/**
 * What a task's test command means. `node --test ...` and `node FILE...` of test files are run by the coach's own reporter, file by
 * file, and their results are counted; everything else goes to a shell, and its exit code decides.
 */
import picomatch from 'picomatch';
import type { Snapshot } from '../workspace/repository.ts';

export type TestPlan =
  | {
      readonly kind: 'counted';
      /** Options for node, but for those of its test runner. */
      readonly flags: readonly string[];
      /** Files and globs. */
      readonly patterns: readonly string[];
    }
  | { readonly kind: 'shell'; readonly command: string };

/** What `node --test` runs when it is told nothing (nodejs.org/api/test.html, "Test runner execution model"). */
const DEFAULT_PATTERNS = [
  '**/*.test.{js,mjs,cjs,ts,mts,cts}',
  '**/*-test.{js,mjs,cjs,ts,mts,cts}',
  '**/*_test.{js,mjs,cjs,ts,mts,cts}',
  '**/test-*.{js,mjs,cjs,ts,mts,cts}',
  '**/test.{js,mjs,cjs,ts,mts,cts}',
  '**/test/**/*.{js,mjs,cjs,ts,mts,cts}',
];
/** Words that a shell would not take literally. */
const SHELL_SIGNS = /[;&|<>$`(){}\\!#\n]/;
/** Options that take the next word as their value. */
const WITH_VALUE = new Set([
  '--import',
  '--require',
  '-r',
  '--conditions',
  '-C',
  '--env-file',
  '--test-name-pattern',
  '--test-skip-pattern',
]);
/** `npm test`, `npm run x`, without further arguments. */
const NPM_SCRIPT = /^npm (?:(?:--silent|-s) )?(?:run(?:-script)? )?([\w:.-]+)(?: (?:--silent|-s))?$/;
const SCRIPT = /\.(js|mjs|cjs|ts|mts|cts)$/;

/** As planOf, but looks through `npm test` and `npm run NAME` to the script that the trusted commit has for it. */
export async function planIn(snapshot: Pick<Snapshot, 'read'>, command: string): Promise<TestPlan> {
  const plan = planOf(command);
  const name = NPM_SCRIPT.exec(command.trim())?.[1];
  if (plan.kind === 'counted' || name === undefined) return plan;
  const script = scriptIn((await snapshot.read('package.json')) ?? '', name.replace(/^(t|tst)$/, 'test'));
  const behind = script === undefined ? plan : planOf(script);
  return behind.kind === 'counted' ? behind : plan;
}

export function planOf(command: string): TestPlan {
  const words = wordsOf(command);
  if (words === undefined || words[0] !== 'node') return { kind: 'shell', command };
  const flags: string[] = [];
  const patterns: string[] = [];
  let test = false;
  for (let at = 1; at < words.length; at++) {
    const word = words[at] ?? '';
    if (patterns.length === 0 && word.startsWith('-')) {
      if (word === '--test') test = true;
      else if (WITH_VALUE.has(word)) flags.push(word, words[++at] ?? '');
      else if (
        !/^--test-(reporter|concurrency|isolation|timeout|shard|force-exit|coverage)|^--experimental-test-/.test(word)
      )
        flags.push(word);
    } else patterns.push(word);
  }
  // A script with arguments is a program, not a list of tests; options that evaluate text are none of ours.
  const scripts = patterns.length === 1 && patterns.every((pattern) => SCRIPT.test(pattern));
  const evaluates = flags.some((flag) => /^(-e|-p|--eval|--print|--watch|-i|--inspect.*|--run)$/.test(flag));
  if (evaluates || (!test && !scripts)) return { kind: 'shell', command };
  return { kind: 'counted', flags, patterns: patterns.length > 0 ? patterns : DEFAULT_PATTERNS };
}

/** The files among `paths` that a counted plan runs, in order. */
export function testFilesOf(patterns: readonly string[], paths: Iterable<string>): string[] {
  const matches = picomatch(
    patterns.map((pattern) => pattern.replace(/^\.\//, '')),
    { dot: false, ignore: ['**/node_modules/**'] },
  );
  return [...paths].filter((path) => SCRIPT.test(path) && matches(path)).sort();
}

/** Splits by spaces, with quotes; undefined for what needs a shell. */
function wordsOf(command: string): string[] | undefined {
  const words: string[] = [];
  for (const match of command.trim().matchAll(/\s*(?:'([^']*)'|"([^"]*)"|([^\s'"]+))(\s|$)|(\S)/g)) {
    const [, single, double, plain, , rest] = match;
    const word = single ?? double ?? plain;
    if (word === undefined || rest !== undefined) return undefined;
    if (single === undefined && SHELL_SIGNS.test(word)) return undefined;
    words.push(word);
  }
  return words;
}

/** The script of that name, unless others run before and after it. */
function scriptIn(packageJson: string, name: string): string | undefined {
  try {
    const { scripts = {} }: { scripts?: Record<string, unknown> } = JSON.parse(packageJson);
    const script = scripts[name];
    return typeof script === 'string' && !(`pre${name}` in scripts) && !(`post${name}` in scripts) ? script : undefined;
  } catch {
    return undefined;
  }
}
