/**
 * Which tests a change has to pass: those that the trusted commit's own run lists, passed or failed. Where a test file cannot even be
 * loaded there (it imports what is still to be written), the titles that stand in its text.
 */
import type { Node } from 'acorn';
import type { Snapshot } from '../workspace/repository.ts';
import { parseJavaScript, withoutTypes } from '../workspace/syntax.ts';
import { runTests, type TestSettings } from './run-tests.ts';
import { planIn, testFilesOf } from './test-command.ts';

const TESTS = new Set(['test', 'it']);
const SUITES = new Set(['describe', 'suite']);
const SEPARATOR = ' > ';

export interface ExpectedRequest {
  readonly command: string;
  readonly snapshot: Snapshot;
  readonly omit?: (path: string) => boolean;
  readonly signal?: AbortSignal | undefined;
}

/** By test file; undefined for a command whose tests are not counted. */
export type ExpectedTests = ReadonlyMap<string, readonly string[]> | undefined;

export async function expectedTests(settings: TestSettings, request: ExpectedRequest): Promise<ExpectedTests> {
  const plan = await planIn(request.snapshot, request.command);
  if (plan.kind === 'shell') return undefined;
  const { records } = await runTests(settings, { ...request, files: [], isTrusted: () => true });
  const expected = new Map<string, readonly string[]>();
  for (const file of testFilesOf(plan.patterns, request.snapshot.entries.keys())) {
    const found = records.get(file);
    const names = found?.loaded
      ? [...found.passed, ...found.failed.filter((name) => !found.failedSuites.includes(name))]
      : titlesIn((await request.snapshot.read(file)) ?? '');
    expected.set(file, names);
  }
  return expected;
}

/** Full names of the tests that a file registers whatever happens: literal titles, not inside a condition or a function. */
export function titlesIn(source: string): string[] {
  try {
    return titlesOf((parseJavaScript(withoutTypes(source)) as unknown as { body: Node[] }).body, '');
  } catch {
    return [];
  }
}

type Tree = Node & Readonly<Record<string, unknown>>;

function titlesOf(body: readonly Node[], prefix: string): string[] {
  return body.flatMap((statement) => {
    const call = calledIn(statement as Tree);
    if (call === undefined) return [];
    const [first, ...rest] = call.arguments;
    const title = first?.type === 'Literal' && typeof first.value === 'string' ? first.value : undefined;
    if (title === undefined) return [];
    if (TESTS.has(call.name)) return [prefix + title];
    const callback = rest.find((argument) => argument.type.endsWith('FunctionExpression'));
    const block = callback?.body as Tree | undefined;
    return SUITES.has(call.name) && block?.type === 'BlockStatement'
      ? titlesOf(block.body as Node[], prefix + title + SEPARATOR)
      : [];
  });
}

/** `test('x', ...)` or `await test('x', ...)` as a statement of its own. */
function calledIn(statement: Tree): { name: string; arguments: Tree[] } | undefined {
  if (statement.type !== 'ExpressionStatement') return undefined;
  let call = statement.expression as Tree;
  if (call.type === 'AwaitExpression') call = call.argument as Tree;
  const callee = call.callee as Tree | undefined;
  if (call.type !== 'CallExpression' || callee?.type !== 'Identifier') return undefined;
  return { name: String(callee.name), arguments: call.arguments as Tree[] };
}
