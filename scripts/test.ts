/**
 * `npm test`: everything that proves the project, in one command. Static checks first, then all tests with coverage; the
 * last line is the total. `--full` adds the exhaustive sweeps (PIXEL_FULL=1). `--only WORD` runs the checks whose name holds
 * WORD, or the test files whose path does.
 */
import { spawnSync } from 'node:child_process';
import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { TestTotals } from './reporter.ts';

const LEAST_COVERED_LINES = 85;

if (Number(process.versions.node.split('.')[0]) < 24) {
  console.error(`The tests need Node 24, which "npm ci" brings; this is Node ${process.versions.node}.`);
  process.exit(1);
}

const { values: options } = parseArgs({ options: { full: { type: 'boolean' }, only: { type: 'string' } } });

const CHECKS: readonly (readonly [name: string, ...command: string[]])[] = [
  ['format and lint', 'biome', 'ci', '--error-on-warnings', '.'],
  [
    'layers and cycles',
    'depcruise',
    '--config',
    'scripts/layers.config.mjs',
    'packages',
    '--include-only',
    '^packages/[^/]+/(src|test)',
  ],
  ['types', 'tsc', '-p', 'tsconfig.json'],
  ['types without Node', 'tsc', '-p', 'packages/pixel-llm/tsconfig.browser.json'],
  ['build', 'tsc', '-p', 'packages/pixel-llm/tsconfig.build.json'],
  ['build the coach', 'tsc', '-p', 'packages/pixel-coach/tsconfig.build.json'],
  ['kernels', 'node', 'scripts/build-wasm.ts'],
  ['bundle', 'node', 'scripts/build-bundle.ts'],
  ['dead exports', 'knip', '--no-progress', '--no-config-hints'],
  ['package', 'publint', '--strict', 'packages/pixel-llm'],
  ['package of the coach', 'publint', '--strict', 'packages/pixel-coach'],
];

const totals: TestTotals = { passed: 0, failed: 0, skipped: 0, coveredLines: undefined };
const binaries = join(import.meta.dirname, '..', 'node_modules', '.bin');
const environment = {
  ...process.env,
  PATH: `${binaries}:${process.env.PATH}`,
  ...(options.full ? { PIXEL_FULL: '1' } : {}),
};

for (const [name, command, ...parameters] of CHECKS) {
  if (options.only === undefined || name.includes(options.only)) runCheck(name, command ?? '', parameters);
}
runTests();
console.log(`\n${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`);
process.exitCode = totals.failed > 0 ? 1 : 0;

function runCheck(name: string, command: string, parameters: string[]): void {
  const begun = performance.now();
  const result = spawnSync(join(binaries, command), parameters, { encoding: 'utf8', env: environment });
  const passed = result.status === 0;
  console.log(`${passed ? 'ok    ' : 'FAILED'}  ${name}  (${((performance.now() - begun) / 1000).toFixed(1)} s)`);
  if (!passed) console.log(result.stdout, result.stderr, result.error?.message ?? '');
  if (passed) totals.passed++;
  else totals.failed++;
}

function runTests(): void {
  const files = globSync('packages/*/{src,test}/**/*.test.ts').filter((file) => file.includes(options.only ?? ''));
  if (files.length === 0) return;
  console.log(`\n${files.length} test files`);
  const folder = mkdtempSync(join(tmpdir(), 'pixel-llm-tests-'));
  const totalsFile = join(folder, 'totals.json');
  const coverage = [
    '--experimental-test-coverage',
    '--test-coverage-include=packages/*/src/**',
    '--test-coverage-exclude=**/*.test.ts',
  ];
  const result = spawnSync(
    process.execPath,
    [
      '--test',
      '--test-concurrency=2',
      // A test that hangs must fail, not hold everything up; sweeps may take long.
      `--test-timeout=${options.full ? 1_800_000 : 420_000}`,
      '--conditions=pixel-llm-source',
      `--test-reporter=./scripts/reporter.ts`,
      ...(options.only === undefined ? coverage : []),
      ...files,
    ],
    { stdio: 'inherit', env: { ...environment, TEST_TOTALS: totalsFile } },
  );
  try {
    const tests: TestTotals = JSON.parse(readFileSync(totalsFile, 'utf8'));
    totals.passed += tests.passed;
    totals.failed += tests.failed;
    totals.skipped += tests.skipped;
    checkCoverage(tests.coveredLines);
  } catch (error) {
    console.log(`FAILED  the test run broke off (status ${result.status}): ${error}`);
    totals.failed++;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  if (result.status !== 0 && totals.failed === 0) totals.failed++;
}

function checkCoverage(coveredLines: number | undefined): void {
  if (coveredLines === undefined) return;
  if (coveredLines >= LEAST_COVERED_LINES) totals.passed++;
  else {
    totals.failed++;
    console.log(
      `FAILED  coverage: ${coveredLines.toFixed(1)} % of lines, at least ${LEAST_COVERED_LINES} % are asked for`,
    );
  }
}
