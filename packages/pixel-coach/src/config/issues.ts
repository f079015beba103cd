/** What is wrong with a configuration, in sentences: the option's path, what it may be, and what was probably meant. */
import type { z } from 'zod';

type JsonSchema = Readonly<Record<string, unknown>>;
const SHOWN_ISSUES = 8;

/** "budget.perRun: must be at least 0; agents.local: there is no option "modell" (did you mean "model"? ...)". */
export function describeIssues(issues: readonly z.core.$ZodIssue[], schema: JsonSchema): string {
  const sentences = issues.flatMap((issue) => describe(issue, schema));
  const shown = sentences.slice(0, SHOWN_ISSUES).join('; ');
  return sentences.length > SHOWN_ISSUES ? `${shown}; and ${sentences.length - SHOWN_ISSUES} more` : shown;
}

function describe(issue: z.core.$ZodIssue, schema: JsonSchema): string[] {
  const path = issue.path.join('.') || 'the file';
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map(
        (key) => `${path}: there is no option "${key}"${suggest(key, optionsAt(schema, issue.path))}`,
      );
    case 'invalid_value':
      return [`${path}: must be one of ${issue.values.map((value) => JSON.stringify(value)).join(', ')}`];
    case 'invalid_union':
      return describeUnion(issue, path, schema);
    default:
      return [`${path}: ${issue.message.replace(/^Invalid input: /, '').replace(/^Too (small|big): /, '')}`];
  }
}

/** Of a union, the branch that came closest: the one with the fewest complaints. */
function describeUnion(issue: z.core.$ZodIssueInvalidUnion, path: string, schema: JsonSchema): string[] {
  const branches = issue.errors.filter((branch) => branch.length > 0);
  if (branches.length === 0) {
    const kinds = constantsAt(schema, issue.path);
    return [`${path}: must be one of ${kinds.length > 0 ? kinds.join(', ') : 'the kinds that the schema lists'}`];
  }
  const [closest = []] = [...branches].sort((a, b) => badness(a) - badness(b));
  return closest.flatMap((inner) => describe({ ...inner, path: [...issue.path, ...inner.path] }, schema));
}

/** A branch whose kind of value is another altogether is the furthest away. */
function badness(issues: readonly z.core.$ZodIssue[]): number {
  return issues.length + (issues.some(({ path }) => path.length === 0) ? 100 : 0);
}

function suggest(key: string, options: readonly string[]): string {
  if (options.length === 0) return '';
  const nearest = options.map((option) => [distance(key, option), option] as const).sort(([a], [b]) => a - b)[0];
  const meant = nearest && nearest[0] <= 2 ? `did you mean "${nearest[1]}"? ` : '';
  return ` (${meant}There are: ${options.join(', ')})`;
}

/** Names of the options that may stand at a path. */
function optionsAt(schema: JsonSchema, path: readonly PropertyKey[]): string[] {
  const names = nodesAt(schema, path).flatMap((node) => Object.keys((node.properties as object | undefined) ?? {}));
  return [...new Set(names)];
}

/** Of a union told apart by a constant, the constants: "gemini", "human". */
function constantsAt(schema: JsonSchema, path: readonly PropertyKey[]): string[] {
  return nodesAt(schema, path).flatMap((node) => (node.const === undefined ? [] : [JSON.stringify(node.const)]));
}

/** The schemas that speak of a path: several below a union. */
function nodesAt(schema: JsonSchema, path: readonly PropertyKey[]): JsonSchema[] {
  let nodes = unfold(schema);
  for (const key of path) {
    nodes = nodes.flatMap((node) => {
      const properties = node.properties as Record<string, JsonSchema> | undefined;
      const next = properties?.[String(key)] ?? node.additionalProperties ?? node.items;
      return typeof next === 'object' && next !== null ? unfold(next as JsonSchema) : [];
    });
  }
  return nodes;
}

function unfold(node: JsonSchema): JsonSchema[] {
  const branches = (node.anyOf ?? node.oneOf) as JsonSchema[] | undefined;
  return branches ? branches.flatMap(unfold) : [node];
}

/** Levenshtein distance. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = a[i - 1] === b[j - 1] ? 0 : 1;
      next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, (row[j - 1] ?? 0) + change));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
