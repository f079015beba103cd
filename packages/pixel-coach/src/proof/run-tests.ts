/**
 * Runs a task's test command on a commit with a change applied, in the sandbox. Tests and everything else that is protected come from
 * the trusted commit, whatever the change says, and the whole tree is read-only.
 */
import { randomBytes } from 'node:crypto';
import { extname, join } from 'node:path';
import type { Sandbox, SandboxLimits, SandboxResult } from '../sandbox/types.ts';
import { NODE_FOLDER, type ReadOnlyMount, WORK_FOLDER } from '../sandbox/types.ts';
import type { ChangedFile, TestOutcome } from '../store/types.ts';
import { exportTree } from '../workspace/export.ts';
import type { Snapshot } from '../workspace/repository.ts';
import { readRecords, type TestRecords } from './records.ts';
import { planIn, type TestPlan, testFilesOf } from './test-command.ts';

/** How a project's tests are run, for all of its tasks. */
export interface TestSettings {
  readonly sandbox: Sandbox;
  /** Laid over the export: `node_modules` of the working tree. */
  readonly mounts?: readonly ReadOnlyMount[];
  /** Folders that tests may write; empty at each start. */
  readonly writable?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly limits?: Partial<SandboxLimits>;
}

export interface TestRequest {
  readonly command: string;
  readonly snapshot: Snapshot;
  readonly files: readonly ChangedFile[];
  /** Paths that come from the commit, not from the change. */
  readonly isTrusted: (path: string) => boolean;
  /** Paths that the command must not see. */
  readonly omit?: (path: string) => boolean;
  /** Tests that have to pass, by file: what the trusted commit's own run listed. */
  readonly expected?: ReadonlyMap<string, readonly string[]> | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface TestReport {
  readonly outcome: TestOutcome;
  readonly output: string;
  /** By test file; empty for commands that are not counted. */
  readonly records: ReadonlyMap<string, TestRecords>;
}

const COACH_FOLDER = '/opt/coach';
/** Tests that mock timers replace the clock themselves. */
const MOCKS_CLOCK = /mock\.timers|useFakeTimers|fake-timers/;

export async function runTests(settings: TestSettings, request: TestRequest): Promise<TestReport> {
  const { snapshot, files, isTrusted, omit } = request;
  const { mounts = [], writable = [] } = settings;
  const below = mounts.filter(({ target }) => target.startsWith(`${WORK_FOLDER}/`));
  const folders = [...writable, ...below.map(({ target }) => target.slice(WORK_FOLDER.length + 1))];
  using exported = await exportTree(snapshot, files, isTrusted, { folders, ...(omit === undefined ? {} : { omit }) });
  const plan = await planIn(snapshot, request.command);
  // Awaited here: the export is gone when this function returns.
  return plan.kind === 'shell'
    ? await runShell(settings, request, exported.folder)
    : await runCounted(settings, request, plan, exported.folder);
}

async function runShell(settings: TestSettings, request: TestRequest, folder: string): Promise<TestReport> {
  const result = await runInSandbox(settings, request, folder, ['sh', '-c', request.command], '');
  const passed = result.exitCode === 0 && result.cut === null;
  return { outcome: outcomeOf(result, passed, null), output: explain(result), records: new Map() };
}

async function runCounted(
  settings: TestSettings,
  request: TestRequest,
  { flags, patterns }: Extract<TestPlan, { kind: 'counted' }>,
  folder: string,
): Promise<TestReport> {
  const paths = pathsOf(request);
  const testFiles = testFilesOf(patterns, paths);
  const records = new Map<string, TestRecords>();
  const outputs: string[] = [];
  const counted = { passed: 0, failed: 0, skipped: 0 };
  let passed = testFiles.length > 0;
  let last: SandboxResult | undefined;
  let milliseconds = 0;
  if (!passed) outputs.push(`No test file matches ${patterns.join(' ')}.`);
  for (const file of testFiles) {
    const secret = randomBytes(32).toString('hex');
    const freezeClock = !MOCKS_CLOCK.test((await contentOf(request, file)) ?? '');
    const input = JSON.stringify({ secret, freezeClock });
    const result = await runInSandbox(settings, request, folder, guardedCommand(flags, file), input);
    const found = readRecords(result.output, secret);
    const problems = problemsOf(found, result, request.expected?.get(file));
    records.set(file, found);
    counted.passed += found.passed.length;
    counted.failed += found.failed.length;
    counted.skipped += found.skipped.length;
    outputs.push(
      `${file}\n${explain({ ...result, output: found.text })}${problems.map((problem) => `\n${problem}`).join('')}`,
    );
    milliseconds += result.milliseconds;
    if (problems.length > 0) passed = false;
    last = result.cut !== null || problems.length > 0 ? result : (last ?? result);
    if (result.cut === 'aborted') break;
  }
  const ending = last ?? { exitCode: null, endedBy: null, cut: null };
  return { outcome: outcomeOf({ ...ending, milliseconds }, passed, counted), output: outputs.join('\n\n'), records };
}

/** Everything that speaks against a test file, in words for the model. */
function problemsOf(found: TestRecords, result: SandboxResult, expected: readonly string[] = []): string[] {
  const problems: string[] = [];
  if (found.forged > 0) problems.push('The program printed lines that pretend to be results of the coach.');
  if (!found.loaded && found.failed.length === 0) problems.push('The test file did not run to its end.');
  if (!found.ended) problems.push('The process ended before its tests had ended.');
  if (found.failed.length > 0) problems.push(`Failed: ${found.failed.join('; ')}`);
  const passed = new Set(found.passed);
  const missing = expected.filter((name) => !passed.has(name) && !found.failed.includes(name));
  if (missing.length > 0) problems.push(`Did not run or was skipped: ${missing.join('; ')}`);
  if (problems.length === 0 && result.exitCode !== 0)
    problems.push(`The process ended with ${result.exitCode ?? result.endedBy}.`);
  return problems;
}

function guardedCommand(flags: readonly string[], file: string): string[] {
  const [guard, ready, main] = OWN_MODULES.map((name) => `${COACH_FOLDER}/${name}${OWN_ENDING}`);
  const reporter = [`--test-reporter=${guard}`, '--test-reporter-destination=stdout'];
  return [
    `${NODE_FOLDER}/node`,
    '--disable-sigusr1',
    `--import=${guard}`,
    `--import=${ready}`,
    ...reporter,
    ...flags,
    main ?? '',
    join(WORK_FOLDER, file),
  ];
}

/** They stand beside this file, as TypeScript in the sources and as JavaScript in the package. */
const OWN_MODULES = ['guard', 'ready', 'main'] as const;
const OWN_ENDING = extname(import.meta.filename);

function runInSandbox(
  { sandbox, mounts = [], writable, environment, limits }: TestSettings,
  { signal }: TestRequest,
  folder: string,
  argv: readonly string[],
  input: string,
): Promise<SandboxResult> {
  const own = OWN_MODULES.map((name) => ({
    source: join(import.meta.dirname, `${name}${OWN_ENDING}`),
    target: `${COACH_FOLDER}/${name}${OWN_ENDING}`,
  }));
  return sandbox.run({
    argv,
    folder,
    input,
    signal,
    mounts: [...own, ...mounts],
    ...(writable === undefined ? {} : { writable }),
    ...(environment === undefined ? {} : { environment }),
    ...(limits === undefined ? {} : { limits }),
  });
}

function pathsOf({ snapshot, files, isTrusted, omit = () => false }: TestRequest): string[] {
  const added = files.filter(({ path, content }) => content !== null && !isTrusted(path)).map(({ path }) => path);
  return [...new Set([...snapshot.entries.keys(), ...added])].filter((path) => !omit(path));
}

async function contentOf({ snapshot, files, isTrusted }: TestRequest, path: string): Promise<string | undefined> {
  const changed = files.find((file) => file.path === path && !isTrusted(path));
  return changed === undefined ? snapshot.read(path) : (changed.content ?? undefined);
}

function outcomeOf(
  { exitCode, endedBy, cut, milliseconds }: Pick<SandboxResult, 'exitCode' | 'endedBy' | 'cut' | 'milliseconds'>,
  passed: boolean,
  counted: TestOutcome['counted'],
): TestOutcome {
  return { passed, exitCode, cut: cut ?? endedBy, counted, milliseconds };
}

const CUTS = {
  'wall-clock': 'It ran longer than allowed and was stopped.',
  output: 'It printed more than allowed and was stopped.',
  memory: 'It used more memory than allowed and was stopped.',
  aborted: 'It was stopped.',
} as const;

function explain({ output, cut }: SandboxResult): string {
  return cut === null ? output : `${output}\n${CUTS[cut]}`;
}
