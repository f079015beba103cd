/** A person: the editor opens with the prompt, and what is saved below the line is the answer. */
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { HumanConfig } from '../config/config.ts';
import { CoachError } from '../core/errors.ts';
import type { AgentDefaults } from './agent-defaults.ts';
import { unusable, usable } from './availability.ts';
import { parseReview } from './review-schema.ts';
import { usualTokens } from './token-count.ts';
import type { Agent, AgentAnswer, AgentRequest } from './types.ts';

const ANSWER_LINE = '======== Your answer stands below this line; save and close. Leave it empty to pass. ========';
const REVIEW_FORM = `{
  "score": 8,
  "mustFix": [],
  "niceToHave": [],
  "summary": ""
}
`;
const NO_USAGE = { inputTokens: 0, outputTokens: 0, cachedTokens: 0, reasoningTokens: 0 } as const;

export function createHumanAgent(name: string, config: HumanConfig, { environment }: AgentDefaults): Agent {
  const editor = config.editor ?? (environment.VISUAL || environment.EDITOR || 'vi').split(/\s+/);
  // One editor at a time, however many workers there are.
  let last: Promise<unknown> = Promise.resolve();
  const ask = (request: AgentRequest, form: string): Promise<AgentAnswer> => {
    const answer = last.then(() => askInEditor(name, editor, request, form));
    last = answer.catch(() => {});
    return answer;
  };
  return {
    name,
    kind: 'human',
    model: 'a person',
    paid: false,
    contextTokens: undefined,
    maxOutputTokens: config.maxOutputTokens,
    countTokens: usualTokens,
    async availability() {
      const tried = editor.join(' ');
      if (process.stdin.isTTY && process.stdout.isTTY) return usable(`opens ${tried}`, tried);
      return unusable('There is no terminal to open an editor in.', 'Start pixel-coach in a terminal.', tried);
    },
    generate: (request) => ask(request, ''),
    async review(request) {
      const { text, ...answer } = await ask(request, REVIEW_FORM);
      return { ...answer, review: parseReview(text) };
    },
  };
}

async function askInEditor(
  name: string,
  editor: readonly string[],
  { system, prompt, signal }: AgentRequest,
  form: string,
): Promise<AgentAnswer> {
  if (signal?.aborted) throw new CoachError('aborted', 'Stopped.');
  const folder = await mkdtemp(join(tmpdir(), 'pixel-coach-edit-'));
  try {
    const file = join(folder, 'answer.md');
    await writeFile(file, `${system}\n\n${prompt}\n\n${ANSWER_LINE}\n${form}`, { mode: 0o600 });
    await openEditor(name, editor, file, signal);
    const saved = await readFile(file, 'utf8');
    const line = saved.lastIndexOf(ANSWER_LINE);
    const text = (line < 0 ? saved : saved.slice(line + ANSWER_LINE.length)).trim();
    if (text === '') throw new CoachError('agent-failed', `"${name}" passed.`);
    return { text, usage: NO_USAGE, model: 'a person', finishReason: 'stop' };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function openEditor(
  name: string,
  editor: readonly string[],
  file: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const [program = 'vi', ...parameters] = editor;
  return new Promise((resolve, reject) => {
    const child = spawn(program, [...parameters, file], { stdio: 'inherit', signal });
    child.on('error', (cause) => {
      const stopped = signal?.aborted === true;
      reject(
        stopped
          ? new CoachError('aborted', 'Stopped.', { cause })
          : new CoachError(
              'agent-unavailable',
              `The editor of "${name}" cannot be opened (${editor.join(' ')}): ${cause.message}`,
              {
                cause,
                details: { agent: name, retryable: false },
              },
            ),
      );
    });
    child.on('close', (code) => {
      if (code === 0) resolve();
      else reject(new CoachError('agent-failed', `The editor of "${name}" ended with ${code}, so nothing was taken.`));
    });
  });
}
