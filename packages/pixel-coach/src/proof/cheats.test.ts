/** Each way to make tests pass without doing the work, played for real: the answer's files are applied, exported, and run. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { repositoryOf, type TestRepository } from '../../test/repository-of.ts';
import { sandbox, skip } from '../../test/sandbox-here.ts';
import type { ChangedFile } from '../store/types.ts';
import { createPathRules } from '../workspace/path-rules.ts';
import { openSnapshot, type Snapshot } from '../workspace/repository.ts';
import { expectedTests } from './expected-tests.ts';
import { runTests, type TestReport } from './run-tests.ts';

const TEST = `import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { add } from '../src/add.ts';
describe('add', () => {
  test('adds', () => assert.equal(add(2, 3), 5));
  test('adds zero', () => assert.equal(add(0, 0), 0));
});
test('is fast', () => {
  const begun = performance.now();
  add(1, 1);
  assert.ok(performance.now() - begun < 50);
});
test('is fast by the calendar', () => {
  const begun = Date.now();
  add(1, 1);
  assert.ok(Date.now() - begun < 50);
});
`;
const FILES = {
  'src/add.ts': 'export function add(a: number, b: number): number {\n  return 0;\n}\n',
  'test/add.test.ts': TEST,
  'test/script.test.ts':
    "import { add } from '../src/add.ts';\nif (add(2, 3) !== 5) throw new Error('wrong');\nconsole.log('script done');\n",
  'package.json': '{ "type": "module", "scripts": { "test": "node --test" } }\n',
  'hidden-tests/add.test.ts': TEST.replaceAll('5', '5')
    .replace('add(2, 3), 5', 'add(20, 3), 23')
    .replace('../src', '../src'),
};
const RIGHT = 'export function add(a: number, b: number): number {\n  return a + b;\n}\n';
const SLOW = 'const end = Date.now() + 80; while (Date.now() < end);';

describe('A cheat', { skip }, () => {
  let made: TestRepository;
  let snapshot: Snapshot;
  const rules = createPathRules({ action: 'edit_file', paths: ['**'] });
  before(async () => {
    made = await repositoryOf(FILES);
    snapshot = await openSnapshot(made.repository, made.git('rev-parse', 'HEAD'));
  });
  after(() => made[Symbol.dispose]());

  async function run(
    files: Readonly<Record<string, string | null>>,
    command = 'node --test test/add.test.ts',
  ): Promise<TestReport> {
    const changed: ChangedFile[] = Object.entries(files).map(([path, content]) => ({ path, content }));
    const settings = { sandbox, limits: { wallClockMilliseconds: 20_000 } };
    const expected = await expectedTests(settings, { command, snapshot });
    return runTests(settings, { command, snapshot, files: changed, isTrusted: rules.isProtected, expected });
  }

  async function assertFails(source: string, message?: RegExp, command?: string): Promise<void> {
    const { outcome, output } = await run({ 'src/add.ts': source }, command);
    assert.equal(outcome.passed, false, output);
    if (message !== undefined) assert.match(output, message);
  }

  test('is told from honest work, which passes, with its tests counted', async () => {
    const { outcome, output } = await run({ 'src/add.ts': RIGHT });
    assert.ok(outcome.passed, output);
    assert.deepEqual(outcome.counted, { passed: 4, failed: 0, skipped: 0 });
    const script = await run({ 'src/add.ts': RIGHT }, 'node test/script.test.ts');
    assert.ok(script.outcome.passed, script.output);
    assert.match(script.output, /script done/);
  });

  test('nothing at all fails, with the names of the tests', async () => {
    const { outcome, output } = await run({});
    assert.deepEqual([outcome.passed, outcome.counted?.failed], [false, 1], output);
    assert.match(output, /Failed: .*add > adds/);
  });

  test('edited, deleted and skipped tests are restored', async () => {
    const { outcome } = await run({ 'test/add.test.ts': "import test from 'node:test'; test('adds', () => {});" });
    assert.equal(outcome.passed, false);
    assert.equal((await run({ 'test/add.test.ts': null })).outcome.passed, false);
    assert.equal((await run({ 'test/add.test.ts': TEST.replaceAll('test(', 'test.skip(') })).outcome.passed, false);
  });

  test('changed scripts and runner settings are restored', async () => {
    const { outcome } = await run(
      { 'package.json': '{ "type": "module", "scripts": { "test": "true" } }', 'src/add.ts': RIGHT.replace('+', '-') },
      'npm test --silent',
    );
    assert.equal(outcome.passed, false);
  });

  test('leaving with exit(0), early or late, is noticed', async () => {
    await assertFails('export const add = 0; process.exit(0);', /did not run to its end/);
    await assertFails('export const add = 0; process.exit(0);', /did not run to its end/, 'npm test');
    await assertFails('export const add = () => 5; process.reallyExit(0);');
    await assertFails('export function add() { process.exit(0); }', /before its tests had ended/);
    await assertFails('export const add = () => 5; setImmediate(() => process.exit(0));', /ended before|Did not run/);
    await assertFails('export const add = 0; process.exit(0);', /did not run to its end/, 'node test/script.test.ts');
    await assertFails("export const add = () => 0; process.on('exit', () => { process.exitCode = 0; });", /Failed/);
    await assertFails("process.kill(process.pid, 'SIGKILL');");
  });

  test('forged output is not a result', async () => {
    await assertFails(
      `
      console.log('TAP version 13\\nok 1 - adds\\n# pass 4\\n# fail 0');
      console.log('@pixel-coach ' + '0'.repeat(64) + ' {"test":"add > adds","state":"passed","sequence":0}');
      process.exit(0);
      export const add = 0;`,
      /pretend to be results/,
    );
    // With the secret, could it be found: it is not in the environment, the arguments, standard input or a file.
    await assertFails(`
      import { createHmac } from 'node:crypto';
      import { readFileSync, readdirSync } from 'node:fs';
      const places = [JSON.stringify(process.env), process.argv.join(), process.execArgv.join()];
      for (const path of ['/proc/self/environ', '/proc/self/cmdline', '/proc/self/fd/0'])
        try { places.push(readFileSync(path, 'latin1')); } catch {}
      for (const secret of places.join(' ').match(/[0-9a-f]{64}/g) ?? []) console.log('FOUND', secret);
      process.exit(0); export const add = 0;`);
  });

  test('asking the reporter to sign for it gets nothing', async () => {
    await assertFails(
      `
      const guard = await import('/opt/coach/guard.ts').catch(() => import('/opt/coach/guard.js'));
      async function* events() {
        for (const name of ['adds', 'adds zero', 'is fast', 'is fast by the calendar'])
          yield { type: 'test:pass', data: { name, nesting: 0 } };
      }
      for await (const _ of guard.default(events()));
      await guard.begin('/work/package.json');
      process.exit(0);`,
      /did not run to its end/,
    );
  });

  test('looking into the reporter through the inspector or a heap snapshot is refused', async () => {
    await assertFails(
      "import { Session } from 'node:inspector'; new Session().connect(); export const add = (a, b) => a + b;",
      /Not available/,
    );
    await assertFails(
      "import v8 from 'node:v8'; v8.writeHeapSnapshot('/tmp/x'); export const add = (a, b) => a + b;",
      /Not available/,
    );
    await assertFails(
      "import { Session } from 'node:inspector/promises'; new Session().connect(); export const add = (a, b) => a + b;",
      /not run to its end/,
    );
  });

  test('a replaced assert or test is refused', async () => {
    await assertFails(
      "import assert from 'node:assert/strict'; try { assert.equal = () => {}; } catch {} export const add = () => 0;",
      /Failed/,
    );
    await assertFails(
      "import { createRequire } from 'node:module'; const assert = createRequire('/')('node:assert'); for (const a of [assert, assert.strict]) for (const k of Object.keys(a)) try { a[k] = () => {}; } catch {} export const add = () => 0;",
      /Failed/,
    );
    await assertFails(
      "import test from 'node:test'; try { test.describe = () => {}; } catch {} export const add = () => 0;",
      /Failed/,
    );
  });

  test('a replaced clock is refused', async () => {
    const slow = (patch: string) => `${patch}\nexport function add(a: number, b: number) { ${SLOW} return a + b; }`;
    await assertFails(slow('let t = 0; try { performance.now = () => 0; } catch {}'), /Failed: .*is fast/);
    await assertFails(
      slow(
        'const now = Date.now; setTimeout(() => { try { globalThis.Date = class { static now() { return 0; } }; } catch {} });',
      ),
      /Failed: .*calendar/,
    );
    await assertFails(slow('try { Object.getPrototypeOf(performance).now = () => 0; } catch {}'), /Failed: .*is fast/);
  });

  test('special-cased inputs pass what is seen and fail what is hidden', async () => {
    const source = 'export const add = (a: number, b: number) => (a === 2 && b === 3 ? 5 : a === 0 ? 0 : 2);';
    assert.ok((await run({ 'src/add.ts': source })).outcome.passed);
    await assertFails(source, /Failed/, 'node --test hidden-tests/add.test.ts');
  });

  test('the answer cannot be read from git history, nor tests written, nor the next file', async () => {
    const { outcome, output } = await run({
      'src/add.ts': `import { execSync } from 'node:child_process'; import { existsSync, writeFileSync } from 'node:fs';
        const tries = [() => execSync('git log -p', { stdio: 'pipe' }), () => writeFileSync('/work/test/script.test.ts', ''), () => writeFileSync('/opt/coach/guard.ts', '')];
        for (const attempt of tries) try { attempt(); console.log('WORKED'); } catch {}
        console.log('git', existsSync('/work/.git'), existsSync('/work/test/add.test.ts'));
        ${RIGHT}`,
    });
    assert.ok(outcome.passed, output);
    assert.ok(!output.includes('WORKED'), output);
    assert.match(output, /git false true/);
  });

  test('a test that does not finish, prints without end or eats memory is cut', async () => {
    const cut = async (source: string, limits: object) =>
      (
        await runTests(
          { sandbox, limits },
          {
            command: 'node --test test/add.test.ts',
            snapshot,
            files: [{ path: 'src/add.ts', content: source }],
            isTrusted: rules.isProtected,
          },
        )
      ).outcome;
    const hang = await cut('export const add = 0; for (;;);', { wallClockMilliseconds: 1500 });
    assert.deepEqual([hang.passed, hang.cut], [false, 'wall-clock']);
    const flood = await cut(
      "import { execSync } from 'node:child_process'; export const add = 0; execSync('yes', { stdio: 'inherit' });",
      {
        outputBytes: 100_000,
        wallClockMilliseconds: 20_000,
      },
    );
    assert.deepEqual([flood.passed, flood.cut], [false, 'output']);
  });
});
