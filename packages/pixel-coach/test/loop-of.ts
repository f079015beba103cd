/** A whole coach for tests: a real repository, store and sandbox, and agents that follow a script. */
import { join } from 'node:path';
import {
  type Agent,
  type AgentAnswer,
  type LoopEvent,
  type LoopOptions,
  openSqliteStore,
  type PriceList,
  type ReviewAnswer,
  type Store,
  type Task,
  type TaskDefinition,
} from '../src/index.ts';
import { repositoryOf, type TestRepository } from './repository-of.ts';
import { sandbox } from './sandbox-here.ts';
import { definition } from './store-conformance.ts';

const USAGE = { inputTokens: 100, outputTokens: 50, cachedTokens: 0, reasoningTokens: 0 };

/** What a scripted agent does when it is called: text, a failure to throw, or a function of the prompt. */
export type Line = string | Error | ((prompt: string, signal: AbortSignal | undefined) => string | Promise<string>);

/** Answers with its lines in turn, the last one again and again. */
export function scriptedAgent(
  name: string,
  lines: readonly Line[],
  { paid = false, contextTokens }: { readonly paid?: boolean; readonly contextTokens?: number } = {},
): Agent & { readonly prompts: string[] } {
  const prompts: string[] = [];
  const next = async (prompt: string, signal: AbortSignal | undefined): Promise<AgentAnswer> => {
    const line = lines[Math.min(prompts.length, lines.length - 1)] ?? '';
    prompts.push(prompt);
    if (line instanceof Error) throw line;
    const text = typeof line === 'string' ? line : await line(prompt, signal);
    return { text, usage: USAGE, model: `${name}-model`, finishReason: 'stop' };
  };
  return {
    name,
    kind: 'openai-compatible',
    model: `${name}-model`,
    paid,
    contextTokens,
    maxOutputTokens: 1000,
    prompts,
    availability: async () => ({ usable: true, reason: 'scripted', remedy: '', tried: '' }),
    countTokens: (text) => Math.ceil(text.length / 3),
    generate: ({ prompt, signal }) => next(prompt, signal),
    review: async ({ prompt, signal }) => {
      const { text, ...rest } = await next(prompt, signal);
      return { ...rest, review: JSON.parse(text) as ReviewAnswer };
    },
  };
}

export function reviewOf(score: number, mustFix: readonly string[] = []): string {
  return JSON.stringify({ score, mustFix, niceToHave: [], summary: `It is a ${score}.` });
}

export function fileAnswer(path: string, content: string): string {
  return `### FILE: ${path}\n\`\`\`ts\n${content}\n\`\`\`\n`;
}

/** A dollar a million tokens, both ways. */
export const PRICES: PriceList = {
  reservation: (agent, inputTokens, maxOutputTokens) => (agent.paid ? (inputTokens + maxOutputTokens) * 1000 : 0),
  cost: (agent, _, { inputTokens, outputTokens }) => (agent.paid ? (inputTokens + outputTokens) * 1000 : 0),
};

export const WRONG = 'export const add = (a: number, b: number): number => a - b;';
export const RIGHT = 'export const add = (a: number, b: number): number => a + b;';

export const ADD_FILES = {
  'src/add.ts': 'export const add = (a: number, b: number): number => 0;\n',
  'test/add.test.ts':
    "import assert from 'node:assert/strict';\nimport test from 'node:test';\nimport { add } from '../src/add.ts';\ntest('adds', () => assert.equal(add(2, 3), 5));\n",
  'package.json': '{ "type": "module" }\n',
};

export function addTask(fields: Partial<TaskDefinition> = {}): TaskDefinition {
  return definition('add', {
    title: 'Write add',
    paths: ['src/**'],
    testCommand: 'node --test test/add.test.ts',
    ...fields,
  });
}

export interface TestLoop extends AsyncDisposable {
  readonly made: TestRepository;
  readonly store: Store;
  readonly events: LoopEvent[];
  readonly options: LoopOptions;
  readonly task: (id?: string) => Promise<Task>;
}

export async function loopOf(
  tasks: readonly TaskDefinition[],
  {
    files = ADD_FILES,
    generators,
    reviewers = [],
    ...options
  }: {
    readonly files?: Readonly<Record<string, string>>;
    readonly generators: readonly Agent[];
    readonly reviewers?: readonly Agent[];
  } & Partial<LoopOptions>,
): Promise<TestLoop> {
  const made = await repositoryOf(files);
  made.write({ '.gitignore': '.pixel-coach/\n' });
  const store = openSqliteStore(join(made.folder, '.pixel-coach', 'coach.db'));
  if (tasks.length > 0) await store.addTasks(tasks, { who: 'a person', why: 'roadmap' });
  const events: LoopEvent[] = [];
  return {
    made,
    store,
    events,
    task: (id = 'add') => store.getTask(id),
    options: {
      store,
      repository: made.repository,
      tests: { sandbox, limits: { wallClockMilliseconds: 20_000 } },
      prices: PRICES,
      team: () => ({ generators, reviewers }),
      retryMilliseconds: 20,
      onEvent: (event) => events.push(event),
      ...options,
    },
    [Symbol.asyncDispose]: async () => {
      await store[Symbol.asyncDispose]();
      made[Symbol.dispose]();
    },
  };
}
