/**
 * Runs inside the sandbox, in the process of one test file, before anything that a model wrote: node --import guard ... main FILE. It
 * takes a secret from standard input, keeps it where no other code can reach it, and signs each test's result with it, so that what a
 * program prints cannot pass for a result. It freezes what tests are measured with (assert, the clock), and says when the file was
 * loaded to its end and when all its tests had ended: a process that leaves early never says so.
 *
 * It stands alone: it is mounted into the sandbox without the rest of the package. What it uses later it takes now, before others
 * can change it.
 */
import assert from 'node:assert';
import { createHmac, createSecretKey } from 'node:crypto';
import { readFileSync, writeSync } from 'node:fs';
import inspector from 'node:inspector';
import { syncBuiltinESMExports } from 'node:module';
import { performance } from 'node:perf_hooks';
import test from 'node:test';
import { pathToFileURL } from 'node:url';
import v8 from 'node:v8';

interface TestFailure {
  readonly failureType?: string;
  readonly message?: string;
  readonly stack?: string;
  readonly cause?: { readonly message?: string; readonly stack?: string };
}

interface TestEvent {
  readonly type: string;
  readonly data: {
    readonly name: string;
    readonly nesting: number;
    readonly skip?: unknown;
    readonly todo?: unknown;
    readonly details?: { readonly type?: string; readonly error?: TestFailure };
  };
}

/** Also in records.ts, which reads the lines. */
const MARK = '@pixel-coach';
const OWN_TEST = 'pixel-coach: the reporter is there';
const LONGEST_NAME = 300;
const MOST_LINES = 30;

const apply = Reflect.apply;
const stringify = JSON.stringify;
const { update, digest } = createHmac('sha256', 'x').constructor.prototype;
const { slice } = String.prototype;
const bytesOf = Buffer.from;

const settings: { readonly secret: string; readonly freezeClock: boolean } = JSON.parse(readFileSync(0, 'utf8'));
const key = createSecretKey(settings.secret, 'hex');
let sequence = 0;

freezeInstruments(settings.freezeClock);

let reporterIsTaken = false;
let reporterIsThere: () => void = () => {};
/** Fulfilled when the process's one reporter is taken. Waited for in ready.ts: here it would wait for itself. */
export const ready: Promise<void> = new Promise<void>((resolve) => {
  reporterIsThere = resolve;
});
// Starts the test runner now, so that its one reporter is taken before any other code runs.
test(OWN_TEST, () => {});

/** The reporter of the process's test runner (--test-reporter). Whoever calls it again gets nothing. */
export default async function* report(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  if (reporterIsTaken) return;
  reporterIsTaken = true;
  reporterIsThere();
  const suites: string[] = [];
  for await (const { type, data } of events) {
    if (type === 'test:start') suites[data.nesting] = data.name;
    if (type !== 'test:pass' && type !== 'test:fail') continue;
    if (data.nesting === 0 && data.name === OWN_TEST) continue;
    const suite = data.details?.type === 'suite';
    // A suite is no test. It says something of its own only when it fails by itself, in a hook.
    if (suite && (type === 'test:pass' || data.details?.error?.failureType === 'subtestsFailed')) continue;
    let name = '';
    for (let level = 0; level < data.nesting; level++) name += `${suites[level]} > `;
    name += data.name;
    const state = type === 'test:fail' ? 'failed' : isSet(data.skip) || isSet(data.todo) ? 'skipped' : 'passed';
    tell({ test: apply(slice, name, [0, LONGEST_NAME]), state, suite });
    if (type === 'test:fail') yield `FAILED ${name}\n${describeError(data.details?.error)}\n`;
  }
  tell({ end: true });
}

let begun = false;

/** Loads the test file; called once, by main.ts. */
export async function begin(file: string): Promise<void> {
  if (begun) return;
  begun = true;
  process.argv.splice(1, 1);
  try {
    await import(pathToFileURL(file).href);
    tell({ loaded: true });
  } catch (error) {
    console.error(error);
    process.exitCode = 1;
    tell({ loaded: false });
  }
}

function tell(record: Readonly<Record<string, string | boolean>>): void {
  const text = stringify({ ...record, sequence: sequence++ });
  const signature = apply(digest, apply(update, createHmac('sha256', key), [text]), ['hex']);
  const line = apply(bytesOf, Buffer, [`\n${MARK} ${signature} ${text}\n`]);
  for (let at = 0; at < line.length; ) {
    try {
      at += writeSync(1, line, at);
    } catch (error) {
      // A full pipe: the coach reads on.
      if (!(error instanceof Error && 'code' in error && error.code === 'EAGAIN')) throw error;
    }
  }
}

/** What a model needs to see of a failure: the message and where in its own files. */
function describeError(error: TestFailure | undefined): string {
  const { stack, message } = error?.cause ?? error ?? {};
  const lines = `${stack ?? message ?? ''}`.split('\n').filter((line) => !/^ +at .*(node:|\/opt\/coach\/)/.test(line));
  return lines.slice(0, MOST_LINES).join('\n');
}

function isSet(value: unknown): boolean {
  return value !== undefined && value !== false;
}

/** What tests are measured with, and what would look into this module, cannot be replaced by the code under test. */
function freezeInstruments(freezeClock: boolean): void {
  for (const object of [assert, assert.strict, assert.AssertionError, assert.AssertionError.prototype, test, test.mock])
    Object.freeze(object);
  function gone(): never {
    throw new Error('Not available in the sandbox of pixel-coach.');
  }
  for (const name of ['Session', 'open', 'url', 'waitForDebugger'])
    Object.defineProperty(inspector, name, { value: gone, writable: false, configurable: false });
  for (const name of ['writeHeapSnapshot', 'getHeapSnapshot', 'setHeapSnapshotNearHeapLimit', 'queryObjects'])
    Object.defineProperty(v8, name, { value: gone, writable: false, configurable: false });
  syncBuiltinESMExports();
  if (!freezeClock) return;
  Object.freeze(Date);
  Object.freeze(Date.prototype);
  const clocks: readonly (readonly [object, string])[] = [
    [globalThis, 'Date'],
    [globalThis, 'performance'],
    [performance, 'now'],
    [Object.getPrototypeOf(performance), 'now'],
    [process, 'hrtime'],
    [process.hrtime, 'bigint'],
    [process, 'uptime'],
  ];
  for (const [owner, name] of clocks) {
    const value = Reflect.get(owner, name);
    Object.defineProperty(owner, name, { value, writable: false, configurable: false });
  }
}
