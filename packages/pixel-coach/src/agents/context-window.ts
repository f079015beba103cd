/**
 * How many tokens a server really reads. Servers load a model with a smaller window than it could have, and one of them (Ollama) cuts
 * longer prompts without a word: the model then never sees the task. So the server is asked, each kind by its own door.
 */
import { z } from 'zod';
import { CoachError } from '../core/errors.ts';
import { askJson } from './http-fetch.ts';
import type { ContextCheck } from './language-model-agent.ts';

type ServerKind = 'ollama' | 'llama.cpp' | 'vllm' | 'lm-studio' | 'unknown';

export interface ServerFacts {
  readonly kind: ServerKind;
  /** Undefined when the server does not tell. */
  readonly contextTokens: number | undefined;
}

export interface ServerQuestion {
  /** Up to and including /v1. */
  readonly baseUrl: string;
  readonly model: string;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly signal?: AbortSignal | undefined;
}

const ollamaModels = z.object({
  models: z.array(z.object({ name: z.string(), context_length: z.int().positive().optional() })),
});
const llamaProps = z.object({ default_generation_settings: z.object({ n_ctx: z.int().positive() }) });
const vllmModels = z.object({ data: z.array(z.object({ id: z.string(), max_model_len: z.int().positive() })) });
const lmStudioModels = z.object({
  data: z.array(z.object({ id: z.string(), loaded_context_length: z.int().positive().optional() })),
});

/** Ollama loads a model for this question; that takes as long as its first call would. */
const OLLAMA_LOAD_MILLISECONDS = 300_000;
/** No text of more than this has fewer tokens than one in ten bytes. */
const MOST_BYTES_A_TOKEN = 10;
const NOTICEABLE_BYTES = 4000;
/** An answer that may not even be this long is not asked for. */
const LEAST_ANSWER_TOKENS = 256;

/** Asks a server what it is and how much it reads. Never throws: what cannot be found out is unknown. */
export async function askServer(question: ServerQuestion): Promise<ServerFacts> {
  const root = question.baseUrl.replace(/\/v1\/?$/, '');
  const ask = async (path: string): Promise<unknown> => {
    try {
      const { headers, signal } = question;
      const { status, body } = await askJson(root + path, { headers, signal });
      return status === 200 ? body : undefined;
    } catch {
      return undefined;
    }
  };
  if (z.object({ version: z.string() }).safeParse(await ask('/api/version')).success) return askOllama(root, question);
  const props = llamaProps.safeParse(await ask('/props'));
  if (props.success) return { kind: 'llama.cpp', contextTokens: props.data.default_generation_settings.n_ctx };
  const vllm = vllmModels.safeParse(await ask('/v1/models'));
  if (vllm.success) {
    return { kind: 'vllm', contextTokens: vllm.data.data.find(({ id }) => id === question.model)?.max_model_len };
  }
  const studio = lmStudioModels.safeParse(await ask('/api/v0/models'));
  if (studio.success) {
    const model = studio.data.data.find(({ id }) => id === question.model);
    return { kind: 'lm-studio', contextTokens: model?.loaded_context_length };
  }
  return { kind: 'unknown', contextTokens: undefined };
}

async function askOllama(root: string, { model, headers, signal }: ServerQuestion): Promise<ServerFacts> {
  try {
    // A request without a prompt loads the model; only then is its window known.
    const loading = { headers, signal, post: { model, stream: false }, timeoutMilliseconds: OLLAMA_LOAD_MILLISECONDS };
    await askJson(`${root}/api/generate`, loading);
    const { body } = await askJson(`${root}/api/ps`, { headers, signal });
    const loaded = ollamaModels.parse(body).models.find(({ name }) => name === model || name === `${model}:latest`);
    return { kind: 'ollama', contextTokens: loaded?.context_length };
  } catch {
    return { kind: 'ollama', contextTokens: undefined };
  }
}

/** The check for a server that can be asked. `configured` wins over what the server says only downwards: it cannot read more. */
export function serverContextCheck(
  agent: string,
  configured: number | undefined,
  question: () => Promise<Omit<ServerQuestion, 'signal'>>,
): ContextCheck {
  let facts: ServerFacts | undefined;
  const known = (): number | undefined => {
    const asked = facts?.contextTokens;
    return configured === undefined || asked === undefined ? (configured ?? asked) : Math.min(configured, asked);
  };
  return {
    get contextTokens() {
      return known();
    },
    async beforeCall(promptTokens, maxOutputTokens, signal) {
      facts ??= await askServer({ ...(await question()), signal });
      const window = known();
      if (window === undefined) return maxOutputTokens;
      return answerTokens(agent, { promptTokens, maxOutputTokens, window, kind: facts.kind });
    },
    async afterCall(promptBytes, { inputTokens }, signal) {
      if (promptBytes < NOTICEABLE_BYTES || inputTokens * MOST_BYTES_A_TOKEN >= promptBytes) return;
      facts = await askServer({ ...(await question()), signal });
      throw new CoachError(
        'agent-unavailable',
        `Agent "${agent}" read only ${inputTokens} tokens of a prompt of ${promptBytes} bytes: its server cuts prompts to its ` +
          `context window${facts.contextTokens === undefined ? '' : ` of ${facts.contextTokens} tokens`} without saying so. ` +
          remedyOf(facts.kind),
        { details: { agent, inputTokens, promptBytes, contextExceeded: true, retryable: false } },
      );
    },
  };
}

/** The check for a model whose window is known beforehand. */
export function fixedContextCheck(agent: string, contextTokens: number | undefined): ContextCheck {
  return {
    contextTokens,
    async beforeCall(promptTokens, maxOutputTokens) {
      if (contextTokens === undefined) return maxOutputTokens;
      return answerTokens(agent, { promptTokens, maxOutputTokens, window: contextTokens, kind: 'unknown' });
    },
    async afterCall() {},
  };
}

export interface Room {
  readonly promptTokens: number;
  readonly maxOutputTokens: number;
  readonly window: number;
  readonly kind: ServerKind;
}

/** How long the answer may be beside this prompt. Throws `agent-unavailable` when that is too little to be of use. */
export function answerTokens(agent: string, { promptTokens, maxOutputTokens, window, kind }: Room): number {
  const left = window - promptTokens;
  if (left >= Math.min(maxOutputTokens, LEAST_ANSWER_TOKENS)) return Math.min(left, maxOutputTokens);
  throw new CoachError(
    'agent-unavailable',
    `Agent "${agent}" has a context window of ${window} tokens, and the prompt takes about ${promptTokens}. ` +
      `${remedyOf(kind)} Or show the task fewer files.`,
    { details: { agent, window, promptTokens, contextExceeded: true, retryable: false } },
  );
}

function remedyOf(kind: ServerKind): string {
  switch (kind) {
    case 'ollama':
      return 'Start it with a larger one: OLLAMA_CONTEXT_LENGTH=32768 ollama serve.';
    case 'llama.cpp':
      return 'Start it with a larger one: llama-server --ctx-size 32768.';
    case 'vllm':
      return 'Start it with a larger one: vllm serve MODEL --max-model-len 32768.';
    case 'lm-studio':
      return 'Load the model with a larger context length in LM Studio.';
    case 'unknown':
      return 'Use a model with a larger one.';
  }
}
