/** Reads a roadmap file: YAML or JSON text to tasks as the store takes them. */
import { readFileSync, statSync } from 'node:fs';
import { extname } from 'node:path';
import { LineCounter, parseDocument } from 'yaml';
import { CoachError } from '../core/errors.ts';
import { amountOfDollars } from '../core/money.ts';
import type { TaskDefinition } from '../store/types.ts';
import { type Roadmap, type RoadmapTask, roadmapSchema } from './schema.ts';

/** Names that are looked for in a project, in this order. */
export const ROADMAP_FILES = ['coach.roadmap.yaml', 'coach.roadmap.yml', 'coach.roadmap.json'] as const;

const MOST_BYTES = 64 * 2 ** 20;
const MOST_PROBLEMS_TOLD = 10;

/** Throws `io`, `bad-roadmap` (with each wrong value's path and what is allowed). */
export function readRoadmap(file: string): Roadmap {
  let text: string;
  try {
    if (statSync(file).size > MOST_BYTES) throw new CoachError('bad-roadmap', `${file} is larger than 64 MiB.`);
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    if (cause instanceof CoachError) throw cause;
    throw new CoachError('io', `${file} cannot be read.`, { cause });
  }
  return parseRoadmap(text, file);
}

/** `name` is used in messages, and its ending tells JSON from YAML. */
export function parseRoadmap(text: string, name: string): Roadmap {
  const value = extname(name) === '.json' ? parseJson(text, name) : parseYaml(text, name);
  const result = roadmapSchema.safeParse(value);
  if (result.success) return result.data;
  const problems = result.error.issues
    .slice(0, MOST_PROBLEMS_TOLD)
    .map((issue) => `  ${describePath(issue.path)}: ${issue.message}`);
  const more = result.error.issues.length - problems.length;
  if (more > 0) problems.push(`  and ${more} more`);
  throw new CoachError('bad-roadmap', `${name} is not a valid roadmap:\n${problems.join('\n')}`);
}

/** The roadmap's tasks (of one phase if one is named), in order. Throws `bad-roadmap` for an unknown phase. */
export function tasksOfRoadmap(roadmap: Roadmap, phase?: string): TaskDefinition[] {
  const phases = roadmap.phases.filter(({ id }) => phase === undefined || id === phase);
  if (phase !== undefined && phases.length === 0) {
    const known = roadmap.phases.map(({ id }) => id).join(', ');
    throw new CoachError('bad-roadmap', `The roadmap has no phase "${phase}"; it has ${known}.`);
  }
  return phases.flatMap(({ id, tasks }) => tasks.map((task) => definitionOf(task, id)));
}

function definitionOf(task: RoadmapTask, phase: string): TaskDefinition {
  return {
    id: task.id,
    phase,
    title: task.title,
    description: task.description,
    action: task.action,
    paths: task.paths,
    context: task.context,
    priority: task.priority,
    dependencies: task.dependencies,
    testCommand: task.test_command,
    hiddenTestCommand: task.hidden_test_command,
    preferredAgent: task.preferred_agent,
    maxAttempts: task.max_attempts,
    budget: task.budget === null ? null : amountOfDollars(task.budget),
  };
}

function parseJson(text: string, name: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new CoachError('bad-roadmap', `${name} is not JSON: ${cause instanceof Error ? cause.message : cause}.`);
  }
}

function parseYaml(text: string, name: string): unknown {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const [error] = document.errors;
  if (error !== undefined) {
    const { line, col } = lines.linePos(error.pos[0]);
    throw new CoachError('bad-roadmap', `${name}, line ${line}, column ${col}: ${error.message}`);
  }
  try {
    return document.toJS();
  } catch (cause) {
    // Aliases that multiply beyond measure.
    throw new CoachError('bad-roadmap', `${name}: ${cause instanceof Error ? cause.message : cause}.`);
  }
}

/** ["phases", 0, "tasks", 1, "id"] -> "phases[0].tasks[1].id" */
function describePath(path: readonly PropertyKey[]): string {
  if (path.length === 0) return 'the file';
  return path
    .map((key) => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`))
    .join('')
    .replace(/^\./, '');
}
