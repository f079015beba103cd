/**
 * The project's test reporter (node --test --test-reporter): one line a failure with its cause, a mark a test, then the ten
 * slowest tests and what was skipped and why. Its totals go to the file named by TEST_TOTALS, for scripts/test.ts.
 */
import { writeFileSync } from 'node:fs';
import { relative } from 'node:path';
import type { TestEvent } from 'node:test/reporters';

interface Finished {
  name: string;
  file: string;
  milliseconds: number;
}

export interface TestTotals {
  passed: number;
  failed: number;
  skipped: number;
  /** Lines of source that tests ran, in percent. */
  coveredLines: number | undefined;
}

const SLOWEST = 10;
const MARKS_A_LINE = 100;

export default async function* report(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const finished: Finished[] = [];
  const skips = new Map<string, string[]>();
  const totals: TestTotals = { passed: 0, failed: 0, skipped: 0, coveredLines: undefined };
  let marks = 0;
  for await (const event of events) {
    if (event.type === 'test:pass' || event.type === 'test:fail') {
      const { data } = event;
      if (data.details.type === 'suite') continue;
      const place = { name: data.name, file: relative('.', data.file ?? ''), milliseconds: data.details.duration_ms };
      if (data.skip !== undefined || data.todo !== undefined) {
        totals.skipped++;
        const reason = typeof data.skip === 'string' ? data.skip : 'no reason given';
        skips.set(reason, [...(skips.get(reason) ?? []), `${place.file}: ${place.name}`]);
      } else if (event.type === 'test:pass') {
        totals.passed++;
        finished.push(place);
      } else {
        totals.failed++;
        yield `\n\nFAILED  ${place.file}: ${place.name}\n${describeFailure(event.data.details.error)}\n`;
      }
      if (event.type === 'test:pass') yield ++marks % MARKS_A_LINE === 0 ? '.\n' : '.';
    } else if (event.type === 'test:coverage') {
      totals.coveredLines = event.data.summary.totals.coveredLinePercent;
      yield* describeCoverage(event.data.summary);
    }
  }
  yield '\n';
  for (const [reason, names] of skips)
    yield `\nSKIPPED ${names.length}: ${reason}\n${names.map((name) => `  ${name}\n`).join('')}`;
  yield* describeSlowest(finished);
  if (process.env.TEST_TOTALS) writeFileSync(process.env.TEST_TOTALS, JSON.stringify(totals));
}

function* describeSlowest(finished: Finished[]): Generator<string> {
  yield `\nThe ${SLOWEST} slowest tests\n`;
  const slowest = finished.toSorted((a, b) => b.milliseconds - a.milliseconds).slice(0, SLOWEST);
  for (const { name, file, milliseconds } of slowest) {
    yield `  ${(milliseconds / 1000).toFixed(2).padStart(7)} s  ${file}: ${name}\n`;
  }
}

type CoverageSummary = Extract<TestEvent, { type: 'test:coverage' }>['data']['summary'];

function* describeCoverage({ files, totals }: CoverageSummary): Generator<string> {
  yield `\n\nCoverage: ${totals.coveredLinePercent.toFixed(1)} % of lines. The least covered files:\n`;
  const least = files.toSorted((a, b) => a.coveredLinePercent - b.coveredLinePercent).slice(0, 8);
  for (const file of least) {
    const gaps = file.lines.filter((line) => line.count === 0).map((line) => line.line);
    yield `  ${file.coveredLinePercent.toFixed(1).padStart(5)} %  ${relative('.', file.path)}  lines ${runs(gaps)}\n`;
  }
}

/** [1, 2, 3, 7] -> "1-3, 7" */
function runs(numbers: number[]): string {
  const parts: string[] = [];
  for (let start = 0; start < numbers.length; ) {
    let end = start;
    while (numbers[end + 1] === (numbers[end] ?? 0) + 1) end++;
    parts.push(start === end ? `${numbers[start]}` : `${numbers[start]}-${numbers[end]}`);
    start = end + 1;
  }
  return parts.length > 12 ? `${parts.slice(0, 12).join(', ')}, ...` : parts.join(', ');
}

function describeFailure(error: Error): string {
  const cause = error.cause instanceof Error ? error.cause : error;
  return (cause.stack ?? cause.message)
    .split('\n')
    .filter((line) => !line.includes('node:internal'))
    .slice(0, 40)
    .map((line) => `  ${line}`)
    .join('\n');
}
