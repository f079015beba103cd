/**
 * An agent over a language model of the AI SDK, whichever server stands behind it. One call streams (a slow local model then shows
 * signs of life and meets no idle timeout), is repeated while the trouble passes and nothing was generated, and ends with what was
 * used. Its two users are gemini.ts and openai-compatible.ts.
 */
import type { JSONObject } from '@ai-sdk/provider';
import { type LanguageModel, type LanguageModelUsage, Output, streamText } from 'ai';
import { CoachError, isCoachError } from '../core/errors.ts';
import type { TokenUsage } from '../store/types.ts';
import { modelFailure } from './model-failures.ts';
import { type RetryOptions, withRetries } from './retry.ts';
import { parseReview, reviewRequestSchema } from './review-schema.ts';
import { billedUsage, mostTokens, usualTokens } from './token-count.ts';
import type { Agent, AgentAnswer, AgentKind, AgentRequest, Availability } from './types.ts';

/** An answer may be this many characters a token it was allowed; a server that goes on is cut off. */
const MAX_CHARACTERS_A_TOKEN = 32;

export interface LanguageModelAgentOptions {
  readonly name: string;
  readonly kind: AgentKind;
  readonly modelId: string;
  /** Made when it is needed: a key may have to be fetched first. */
  readonly model: () => Promise<LanguageModel>;
  readonly paid: boolean;
  readonly maxOutputTokens: number;
  readonly timeoutSeconds: number;
  readonly temperature?: number | undefined;
  /** Whether a review can be asked for as a JSON Schema. */
  readonly structuredOutput: boolean;
  readonly providerOptions?: Record<string, JSONObject> | undefined;
  readonly retry: Omit<RetryOptions, 'signal'>;
  /** Secrets that may not appear in messages; known after `model` was called. */
  readonly secrets: () => readonly string[];
  availability(signal?: AbortSignal): Promise<Availability>;
  readonly context: ContextCheck;
}

/** Where the context window is known from, and what is checked by it. */
export interface ContextCheck {
  readonly contextTokens: number | undefined;
  /** Before a call: how long the answer may be. Throws `agent-unavailable` when the prompt leaves no room for one. */
  beforeCall(promptTokens: number, maxOutputTokens: number, signal?: AbortSignal): Promise<number>;
  /** After it. Throws `agent-unavailable` when the server read only a part of the prompt. */
  afterCall(promptBytes: number, usage: TokenUsage, signal?: AbortSignal): Promise<void>;
}

export function createLanguageModelAgent(options: LanguageModelAgentOptions): Agent {
  const { name, kind, modelId, paid, context } = options;
  return {
    name,
    kind,
    model: modelId,
    paid,
    maxOutputTokens: options.maxOutputTokens,
    get contextTokens() {
      return context.contextTokens;
    },
    availability: (signal) => options.availability(signal),
    countTokens: paid ? mostTokens : usualTokens,
    generate: (request) => callWithRetries(request, options, false),
    async review(request) {
      const { text, ...answer } = await callWithRetries(request, options, true);
      try {
        return { ...answer, review: parseReview(text) };
      } catch (error) {
        throw withUsage(error, answer.usage);
      }
    },
  };
}

async function callWithRetries(
  wanted: AgentRequest,
  options: LanguageModelAgentOptions,
  isReview: boolean,
): Promise<AgentAnswer> {
  const { system, prompt, signal } = wanted;
  const promptTokens = usualTokens(system + prompt);
  const maxOutputTokens = await options.context.beforeCall(promptTokens, wanted.maxOutputTokens, signal);
  const request = { ...wanted, maxOutputTokens };
  const answer = await withRetries(() => call(request, options, isReview), { ...options.retry, signal });
  try {
    await options.context.afterCall(Buffer.byteLength(system) + Buffer.byteLength(prompt), answer.usage, signal);
  } catch (error) {
    throw withUsage(error, answer.usage);
  }
  if (answer.text.trim() === '') {
    throw new CoachError('agent-failed', emptyAnswer(options, answer), { details: { usage: answer.usage } });
  }
  return answer;
}

/** One request. Errors after something was generated carry `details.usage`, and are not repeated where they cost money. */
async function call(
  request: AgentRequest,
  options: LanguageModelAgentOptions,
  isReview: boolean,
): Promise<AgentAnswer> {
  const { name: agent, modelId: model, timeoutSeconds, secrets } = options;
  const received: Received = { text: '', generated: false, model, usage: undefined, finishReason: 'other' };
  const limits = AbortSignal.timeout(timeoutSeconds * 1000);
  const tooLong = new AbortController();
  const signals = [limits, tooLong.signal, ...(request.signal ? [request.signal] : [])];
  try {
    await receive(request, options, isReview, received, { signal: AbortSignal.any(signals), tooLong });
  } catch (error) {
    if (request.signal?.aborted) {
      throw withUsage(new CoachError('aborted', 'Stopped.', { cause: error }), spentAtMost(received, request, options));
    }
    const cause = limits.aborted && !isCoachError(error) ? limits.reason : error;
    const failure = modelFailure(cause, { agent, model, timeoutSeconds, secrets: secrets() });
    if (!received.generated && !limits.aborted) throw failure;
    // Somebody counted these tokens: repeating is for those who do not pay.
    const retryable = failure.details.retryable === true && !options.paid;
    throw withUsage(failure, spentAtMost(received, request, options), { retryable });
  }
  const { text, finishReason } = received;
  return { text, finishReason, model: received.model, usage: spent(received, request, options) };
}

interface Received {
  text: string;
  /** Something came, if only thinking. */
  generated: boolean;
  model: string;
  usage: LanguageModelUsage | undefined;
  finishReason: AgentAnswer['finishReason'];
}

async function receive(
  request: AgentRequest,
  options: LanguageModelAgentOptions,
  isReview: boolean,
  received: Received,
  stop: { readonly signal: AbortSignal; readonly tooLong: AbortController },
): Promise<void> {
  const { system, prompt, maxOutputTokens, onText } = request;
  const { temperature, providerOptions, structuredOutput } = options;
  const result = streamText({
    model: await options.model(),
    instructions: system,
    prompt,
    maxOutputTokens,
    maxRetries: 0,
    abortSignal: stop.signal,
    onError: () => {},
    ...(temperature !== undefined && { temperature }),
    ...(providerOptions && { providerOptions }),
    ...(isReview && structuredOutput && { output: Output.object({ schema: reviewRequestSchema, name: 'review' }) }),
  });
  for await (const part of result.stream) {
    if (part.type === 'error') throw part.error;
    if (part.type === 'abort') throw stop.signal.reason;
    if (part.type === 'finish-step') {
      received.model = part.response.modelId || received.model;
      received.usage = part.usage;
      received.finishReason = finishReasonOf(part.finishReason);
    }
    if (part.type === 'text-delta' || part.type === 'reasoning-delta') received.generated = true;
    if (part.type !== 'text-delta') continue;
    received.text += part.text;
    onText?.(part.text);
    if (received.text.length > maxOutputTokens * MAX_CHARACTERS_A_TOKEN) {
      stop.tooLong.abort();
      throw new CoachError(
        'agent-failed',
        `Agent "${options.name}" wrote more than ${maxOutputTokens * MAX_CHARACTERS_A_TOKEN} characters where ` +
          `${maxOutputTokens} tokens were asked for, and was cut off.`,
      );
    }
  }
}

/** What is billed for an answer; where the server did not say, an estimate on the high side. */
function spent(
  { text, usage }: Received,
  { system, prompt }: AgentRequest,
  { paid }: LanguageModelAgentOptions,
): TokenUsage {
  const count = paid ? mostTokens : usualTokens;
  const none = { cachedTokens: 0, reasoningTokens: 0 };
  return billedUsage(usage, { inputTokens: count(system + prompt), outputTokens: count(text), ...none });
}

/** The same for a call that broke off: nobody knows how far the thinking went. */
function spentAtMost(received: Received, request: AgentRequest, options: LanguageModelAgentOptions): TokenUsage {
  if (received.usage || !options.paid) return spent(received, request, options);
  return { ...spent(received, request, options), outputTokens: request.maxOutputTokens };
}

function finishReasonOf(reason: string): AgentAnswer['finishReason'] {
  return reason === 'stop' || reason === 'length' || reason === 'content-filter' ? reason : 'other';
}

function emptyAnswer({ name, modelId }: LanguageModelAgentOptions, { finishReason, usage }: AgentAnswer): string {
  const start = `Agent "${name}" (${modelId}) answered with nothing`;
  if (finishReason === 'content-filter') return `${start}: its content filter stopped it.`;
  if (finishReason === 'length') {
    return `${start}: all ${usage.outputTokens} output tokens went into thinking; raise "maxOutputTokens".`;
  }
  return `${start}.`;
}

/** The same error, with what the call used. */
function withUsage(error: unknown, usage: TokenUsage, more: Readonly<Record<string, unknown>> = {}): unknown {
  if (!isCoachError(error)) return error;
  return new CoachError(error.code, error.message, {
    cause: error.cause,
    details: { ...error.details, ...more, usage },
  });
}
