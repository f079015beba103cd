/** Reads what guard.ts signed out of all that a test's process printed. Whatever is not signed is just text. */
import { createHmac, timingSafeEqual } from 'node:crypto';

export interface TestRecords {
  /** Full names ("suite > test"), in the order of their ends. */
  readonly passed: readonly string[];
  readonly failed: readonly string[];
  readonly skipped: readonly string[];
  /** Suites that failed by themselves, in a hook; also among `failed`. */
  readonly failedSuites: readonly string[];
  /** The test file was loaded to its end. */
  readonly loaded: boolean;
  /** All tests had ended. */
  readonly ended: boolean;
  /** Lines that look like records and are not: somebody tried. */
  readonly forged: number;
  /** The output without records. */
  readonly text: string;
}

const RECORD = /^@pixel-coach ([0-9a-f]+) (.*)$/;

export function readRecords(output: string, secret: string): TestRecords {
  const states: Record<string, string[]> = { passed: [], failed: [], skipped: [], failedSuites: [] };
  const text: string[] = [];
  let loaded = false;
  let ended = false;
  let forged = 0;
  let next = 0;
  for (const line of output.split('\n')) {
    const [, signature = '', json = ''] = RECORD.exec(line) ?? [];
    if (signature === '') {
      text.push(line);
      continue;
    }
    const record = isSigned(json, signature, secret) ? JSON.parse(json) : undefined;
    // A record that was printed once already is a copy.
    if (record?.sequence !== next) {
      forged++;
      continue;
    }
    next++;
    if (typeof record.test === 'string') states[record.state]?.push(record.test);
    if (record.suite === true) states.failedSuites?.push(record.test);
    if (record.loaded === true) loaded = true;
    if (record.end === true) ended = true;
  }
  const { passed = [], failed = [], skipped = [], failedSuites = [] } = states;
  return {
    passed,
    failed,
    skipped,
    failedSuites,
    loaded,
    ended,
    forged,
    text: text
      .join('\n')
      .replace(/\n{3,}/g, '\n\n')
      .trim(),
  };
}

function isSigned(text: string, signature: string, secret: string): boolean {
  const expected = createHmac('sha256', Buffer.from(secret, 'hex')).update(text).digest();
  const given = Buffer.from(signature, 'hex');
  return given.length === expected.length && timingSafeEqual(given, expected);
}
