/**
 * Any agent that is a command: it is given the prompt (in a file, or on stdin) and prints its answer. It runs with this user's rights,
 * as every command that this user starts does, but sees only the environment variables that the configuration names, in an empty
 * folder of its own: what it writes there is thrown away.
 */
import { spawn } from 'node:child_process';
import { access, constants, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, isAbsolute, join, resolve } from 'node:path';
import type { CommandConfig } from '../config/config.ts';
import { CoachError } from '../core/errors.ts';
import type { AgentDefaults } from './agent-defaults.ts';
import { unusable, usable } from './availability.ts';
import { parseReview } from './review-schema.ts';
import { mostTokens, usualTokens } from './token-count.ts';
import type { Agent, AgentAnswer, AgentRequest, Availability } from './types.ts';

const PROMPT_FILE = '{promptFile}';
/** What programs need to run at all. */
const USUAL_VARIABLES = ['PATH', 'HOME', 'USER', 'LANG', 'TERM', 'TMPDIR', 'SystemRoot'] as const;
const MAX_OUTPUT_CHARACTERS = 4_000_000;
const MAX_ERROR_CHARACTERS = 2000;
/** Between asking a command to end and ending it. */
const GRACE_MILLISECONDS = 2000;
const CHECK_SECONDS = 20;

export function createCommandAgent(name: string, config: CommandConfig, defaults: AgentDefaults): Agent {
  const generate = (request: AgentRequest): Promise<AgentAnswer> => runForAnswer(name, config, defaults, request);
  return {
    name,
    kind: 'command',
    model: config.command[0] ?? name,
    paid: defaults.paid,
    contextTokens: undefined,
    maxOutputTokens: config.maxOutputTokens,
    availability: (signal) => commandAvailability(config, defaults, signal),
    countTokens: defaults.paid ? mostTokens : usualTokens,
    generate,
    async review(request) {
      const { text, ...answer } = await generate(request);
      try {
        return { ...answer, review: parseReview(text) };
      } catch (error) {
        if (!(error instanceof CoachError)) throw error;
        throw new CoachError(error.code, error.message, { details: { ...error.details, usage: answer.usage } });
      }
    },
  };
}

async function runForAnswer(
  name: string,
  config: CommandConfig,
  defaults: AgentDefaults,
  { system, prompt, signal, onText }: AgentRequest,
): Promise<AgentAnswer> {
  const folder = await mkdtemp(join(tmpdir(), 'pixel-coach-agent-'));
  try {
    const text = `${system}\n\n${prompt}\n`;
    const promptFile = join(folder, 'prompt.md');
    await writeFile(promptFile, text, { mode: 0o600 });
    const takesFile = config.command.some((word) => word.includes(PROMPT_FILE));
    const command = commandLine(config.command, defaults.folder).map((word) =>
      word.replaceAll(PROMPT_FILE, promptFile),
    );
    const environment = allowedEnvironment(config, defaults);
    const { timeoutSeconds } = config;
    const ended = await runCommand(command, {
      folder,
      environment,
      timeoutSeconds,
      signal,
      input: takesFile ? '' : text,
      onText,
    });
    checkEnd(name, command, timeoutSeconds, ended);
    const usage = {
      inputTokens: usualTokens(text),
      outputTokens: usualTokens(ended.output),
      cachedTokens: 0,
      reasoningTokens: 0,
    };
    if (ended.output.trim() !== '') {
      return { text: ended.output, usage, model: config.command[0] ?? name, finishReason: 'stop' };
    }
    throw new CoachError('agent-failed', `Agent "${name}" printed nothing.`, { details: { usage } });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

interface CommandOptions {
  readonly folder: string;
  readonly environment: NodeJS.ProcessEnv;
  readonly timeoutSeconds: number;
  readonly input: string;
  readonly signal?: AbortSignal | undefined;
  readonly onText?: ((text: string) => void) | undefined;
}

interface CommandEnd {
  readonly output: string;
  readonly errors: string;
  readonly exitCode: number | null;
  readonly reason: 'ended' | 'timeout' | 'too-long' | 'aborted' | 'not-started';
}

/** Runs to its end, or ends it with all its children. Never throws. */
function runCommand(command: readonly string[], options: CommandOptions): Promise<CommandEnd> {
  const { folder, environment, timeoutSeconds, input, signal, onText } = options;
  const [program = '', ...parameters] = command;
  return new Promise((resolveEnd) => {
    let output = '';
    let errors = '';
    let reason: CommandEnd['reason'] = 'ended';
    // A group of its own, so that what it starts ends with it.
    const child = spawn(program, parameters, { cwd: folder, env: environment, detached: true });
    const stop = (why: CommandEnd['reason']): void => {
      if (reason !== 'ended') return;
      reason = why;
      killGroup(child.pid, 'SIGTERM');
      setTimeout(() => killGroup(child.pid, 'SIGKILL'), GRACE_MILLISECONDS).unref();
    };
    const timer = setTimeout(() => stop('timeout'), timeoutSeconds * 1000);
    const onAbort = (): void => stop('aborted');
    if (signal?.aborted) onAbort();
    signal?.addEventListener('abort', onAbort, { once: true });
    const finish = (exitCode: number | null): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      resolveEnd({ output, errors, exitCode, reason });
    };
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      if (output.length > MAX_OUTPUT_CHARACTERS) return stop('too-long');
      output += text;
      onText?.(text);
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      errors = (errors + text).slice(-MAX_ERROR_CHARACTERS);
    });
    // A command that reads no input closes the pipe.
    child.stdin.on('error', () => {});
    child.stdin.end(input);
    child.on('error', (error) => {
      reason = 'not-started';
      errors = error.message;
      finish(null);
    });
    child.on('close', finish);
  });
}

function killGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // It has ended.
  }
}

function checkEnd(name: string, command: readonly string[], timeoutSeconds: number, end: CommandEnd): void {
  const shown = command.join(' ');
  const details = { agent: name, command: shown, exitCode: end.exitCode, retryable: false };
  switch (end.reason) {
    case 'aborted':
      throw new CoachError('aborted', 'Stopped.');
    case 'not-started':
      throw new CoachError('agent-unavailable', `Agent "${name}" cannot be started (${shown}): ${end.errors}`, {
        details,
      });
    case 'timeout':
      throw new CoachError(
        'agent-unavailable',
        `Agent "${name}" did not end within ${timeoutSeconds} s and was stopped (${shown}); raise "timeoutSeconds".`,
        { details },
      );
    case 'too-long':
      throw new CoachError('agent-failed', `Agent "${name}" printed more than ${MAX_OUTPUT_CHARACTERS} characters.`, {
        details,
      });
    case 'ended':
      if (end.exitCode === 0) return;
      throw new CoachError(
        'agent-unavailable',
        `Agent "${name}" ended with ${end.exitCode ?? 'a signal'} (${shown}): ${end.errors.trim() || 'it said nothing'}`,
        { details },
      );
  }
}

async function commandAvailability(
  { command, check, environment }: CommandConfig,
  defaults: AgentDefaults,
  signal: AbortSignal | undefined,
): Promise<Availability> {
  const [program = ''] = commandLine(command, defaults.folder);
  const path = await findProgram(program, defaults.environment.PATH ?? '');
  if (path === undefined) {
    return unusable(`There is no program "${program}".`, 'Install it, or correct "command".', `which ${program}`);
  }
  if (!check) return usable(`found ${path}`, `which ${program}`);
  const tried = check.join(' ');
  const folder = await mkdtemp(join(tmpdir(), 'pixel-coach-agent-'));
  try {
    const { reason, exitCode, errors } = await runCommand(commandLine(check, defaults.folder), {
      folder,
      environment: allowedEnvironment({ environment }, defaults),
      timeoutSeconds: CHECK_SECONDS,
      input: '',
      signal,
    });
    if (reason === 'ended' && exitCode === 0) return usable(`found ${path}, and its check passes`, tried);
    return unusable(
      `Its check failed (${exitCode ?? reason}): ${errors.trim() || 'it said nothing'}`,
      'Run the check by hand.',
      tried,
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** A program or script with a path is looked for beside the configuration, not in the folder where the command runs. */
function commandLine(command: readonly string[], folder: string): string[] {
  return command.map((word) => (/^\.{1,2}\//.test(word) ? resolve(folder, word) : word));
}

async function findProgram(program: string, path: string): Promise<string | undefined> {
  const candidates =
    isAbsolute(program) || program.includes('/')
      ? [program]
      : path.split(delimiter).map((folder) => join(folder, program));
  for (const candidate of candidates) {
    try {
      await access(candidate, constants.X_OK);
      return candidate;
    } catch {
      // Not this one.
    }
  }
  return undefined;
}

function allowedEnvironment(
  { environment }: Pick<CommandConfig, 'environment'>,
  defaults: AgentDefaults,
): NodeJS.ProcessEnv {
  const names = [...USUAL_VARIABLES, ...environment];
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = defaults.environment[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
}
