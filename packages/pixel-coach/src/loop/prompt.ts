/**
 * What the writing model is told: how to answer, the task, the files it may change and those it may read, a map of the repository,
 * everything that was said of earlier attempts, and what of the last test output matters. What does not fit its context is left out
 * in this order: the map, then files it may only read; if the rest does not fit, the task is not for this model.
 */
import picomatch from 'picomatch';
import type { Agent } from '../agents/types.ts';
import { CoachError } from '../core/errors.ts';
import type { Attempt, Task } from '../store/types.ts';
import { PROTECTED_PATHS } from '../workspace/path-rules.ts';
import type { Snapshot } from '../workspace/repository.ts';
import { trimOutput } from './feedback.ts';
import { repositoryMap } from './repository-map.ts';

export interface PromptRequest {
  readonly task: Task;
  readonly snapshot: Snapshot;
  /** The task's earlier attempts, in order; those that were rejected count. */
  readonly earlier: readonly Attempt[];
  readonly isHidden: (path: string) => boolean;
  readonly agent: Pick<Agent, 'countTokens' | 'contextTokens' | 'maxOutputTokens' | 'name'>;
}

export interface Prompt {
  readonly system: string;
  readonly prompt: string;
  readonly inputTokens: number;
}

const MAP_CHARACTERS = [12_000, 3000, 0] as const;
const MOST_FILE_CHARACTERS = 60_000;
const MOST_FILES = 40;

const ANSWER_FORMAT = `Answer with the files you change, each under a header line of its own, in one of three forms.

A whole file, new or replaced:
### FILE: path/of/file.ts
\`\`\`
the whole content
\`\`\`

A part of an existing file; SEARCH quotes lines of the file exactly, and stands in it exactly once:
### EDIT: path/of/file.ts
<<<<<<< SEARCH
lines as they are now
=======
lines as they should be
>>>>>>> REPLACE

A file to delete:
### DELETE: path/of/file.ts

Paths are relative to the repository's root. Change only what the task needs. Tests, lock files and settings cannot be changed.`;

const ROLE = {
  write_file: 'You write source files. Prefer whole files (FILE).',
  edit_file: 'You change source files. Prefer small edits (EDIT).',
  patch: 'You change source files. Answer with edits (EDIT) only as large as needed.',
  write_tests:
    'You write tests. Answer with new test files only (FILE): they must pass on the present code, and fail when it is broken in small ways.',
} as const;

/** Throws `agent-unavailable` with `details.contextExceeded` when the task does not fit the agent's context: another one may have more. */
export async function buildPrompt(request: PromptRequest): Promise<Prompt> {
  const { task, agent } = request;
  const system = `You are a careful programmer. ${ROLE[task.action]}\n\n${ANSWER_FORMAT}`;
  const window = agent.contextTokens ?? Number.POSITIVE_INFINITY;
  // In a small window the answer gets half of it at least; the agent asks for no more than is left.
  const room = window - Math.min(agent.maxOutputTokens, window / 2);
  const files = await readFiles(request);
  let inputTokens = 0;
  for (const mapCharacters of MAP_CHARACTERS) {
    for (const withReading of [true, false]) {
      const prompt = await compose(request, files, { mapCharacters, withReading });
      inputTokens = agent.countTokens(system) + agent.countTokens(prompt);
      if (inputTokens <= room) return { system, prompt, inputTokens };
    }
  }
  throw new CoachError(
    'agent-unavailable',
    `The task needs ${inputTokens} tokens of input, and ${agent.name} has a context window of ${agent.contextTokens} tokens for input ` +
      'and answer. Give the task less context, or another agent.',
    { details: { contextExceeded: true, inputTokens, contextTokens: agent.contextTokens } },
  );
}

interface ShownFile {
  readonly path: string;
  readonly content: string;
  readonly mayWrite: boolean;
}

async function compose(
  request: PromptRequest,
  files: readonly ShownFile[],
  { mapCharacters, withReading }: { readonly mapCharacters: number; readonly withReading: boolean },
): Promise<string> {
  const { task, snapshot, earlier, isHidden } = request;
  const near = files.map(({ path }) => path);
  const map = mapCharacters > 0 ? await repositoryMap(snapshot, mapCharacters, { isHidden, near }) : '';
  const sections: (readonly [string, string])[] = [
    ['Task', `${task.title}\n\n${task.description}`.trim()],
    ['Files you may write', task.paths.join('\n')],
    ['Test command', task.testCommand ?? 'None; a reviewer reads the change.'],
    ['The files as they are', present(files.filter(({ mayWrite }) => mayWrite))],
    ['Files to read', withReading ? present(files.filter(({ mayWrite }) => !mayWrite)) : ''],
    ['The repository', map],
    ...historyOf(earlier),
  ];
  return sections
    .filter(([, text]) => text !== '')
    .map(([title, text]) => `## ${title}\n\n${text}`)
    .join('\n\n');
}

/** All feedback so far, and the last attempt's answer and output in full. */
function historyOf(earlier: readonly Attempt[]): (readonly [string, string])[] {
  const rejected = earlier.filter(({ status }) => status === 'rejected');
  const last = rejected.at(-1);
  if (last === undefined) return [];
  const feedback = rejected.map(({ feedback: text }, index) => `Attempt ${index + 1}: ${text}`).join('\n\n');
  return [
    ['What was said of earlier attempts; all of it still counts', feedback],
    ['Your last change', last.diff === '' ? trimOutput(last.answer, 4000) : trimOutput(last.diff, 12_000)],
    [
      'Output of the tests after it',
      last.test === null || last.test.passed || last.test.hidden ? '' : trimOutput(last.testOutput),
    ],
  ];
}

async function readFiles({ task, snapshot, isHidden }: PromptRequest): Promise<ShownFile[]> {
  const options = { dot: true, nocase: true };
  const mayWrite = picomatch([...task.paths], { ...options, ignore: [...PROTECTED_PATHS] });
  const mayRead = picomatch([...task.context], options);
  const shown: ShownFile[] = [];
  let room = MOST_FILE_CHARACTERS;
  const wanted = [...snapshot.entries.values()]
    .filter(({ path, mode }) => mode.startsWith('100') && !isHidden(path) && (mayRead(path) || mayWrite(path)))
    .toSorted((a, b) => Number(mayWrite(b.path)) - Number(mayWrite(a.path)));
  for (const { path, size } of wanted.slice(0, MOST_FILES)) {
    if (size > room) continue;
    const content = (await snapshot.read(path)) ?? '';
    if (content.includes('\0')) continue;
    room -= content.length;
    shown.push({ path, content, mayWrite: mayWrite(path) });
  }
  return shown;
}

function present(files: readonly ShownFile[]): string {
  return files
    .map(({ path, content }) => {
      // Longer than any fence in the file.
      const longest = Math.max(2, ...[...content.matchAll(/`+/g)].map(([ticks]) => ticks.length));
      const fence = '`'.repeat(longest + 1);
      return `${path}\n${fence}\n${content}${content.endsWith('\n') ? '' : '\n'}${fence}`;
    })
    .join('\n\n');
}
