/**
 * Pixel-LLM in this process: a model that is a picture (or a GGUF), through the public entry of the package `pixel-llm`. The package is
 * loaded when the agent is first used, so that a coach without it starts at once.
 */
import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { ChatMessage, Model } from 'pixel-llm';
import type { PixelLlmConfig } from '../config/config.ts';
import { CoachError, isCoachError } from '../core/errors.ts';
import type { AgentDefaults } from './agent-defaults.ts';
import { unusable, usable } from './availability.ts';
import { answerTokens } from './context-window.ts';
import { parseReview } from './review-schema.ts';
import { usualTokens } from './token-count.ts';
import type { Agent, AgentAnswer, AgentRequest, Availability } from './types.ts';

export function createPixelLlmAgent(name: string, config: PixelLlmConfig, { folder }: AgentDefaults): Agent {
  const path = /^https?:/.test(config.model) ? config.model : resolve(folder, config.model);
  let loading: Promise<Model> | undefined;
  /** One generation at a time: a model on this machine is not faster for being asked twice. */
  let last: Promise<unknown> = Promise.resolve();
  let model: Model | undefined;

  const load = async (): Promise<Model> => {
    loading ??= loadModelFile(path, config);
    try {
      model = await loading;
      return model;
    } catch (cause) {
      loading = undefined;
      throw new CoachError('agent-unavailable', `Agent "${name}" cannot load ${path}: ${messageOf(cause)}`, {
        cause,
        details: { agent: name, retryable: false, permanent: true },
      });
    }
  };
  const generate = (request: AgentRequest): Promise<AgentAnswer> => {
    const answer = last.then(async () => {
      const used = await load();
      try {
        return await generateText(name, config, used, request);
      } catch (cause) {
        if (isCoachError(cause)) throw cause;
        // What the runtime met with (memory, a lost thread, weights that are no numbers) is not the model's doing; the next call loads it anew.
        loading = undefined;
        model = undefined;
        await used.dispose().catch(() => undefined);
        throw new CoachError('agent-unavailable', `Agent "${name}" broke off: ${messageOf(cause)}`, {
          cause,
          details: { agent: name, retryable: true },
        });
      }
    });
    last = answer.catch(() => {});
    return answer;
  };
  return {
    name,
    kind: 'pixel-llm',
    model: config.model,
    paid: false,
    maxOutputTokens: config.maxOutputTokens,
    get contextTokens() {
      return config.contextTokens ?? model?.contextLength;
    },
    countTokens: (text) => model?.tokenizer.encode(text).length ?? usualTokens(text),
    availability: () => pixelLlmAvailability(path),
    generate,
    async review(request) {
      const { text, ...answer } = await generate(request);
      try {
        return { ...answer, review: parseReview(text) };
      } catch (error) {
        if (!isCoachError(error)) throw error;
        throw new CoachError(error.code, error.message, { details: { ...error.details, usage: answer.usage } });
      }
    },
  };
}

async function loadModelFile(path: string, { device, threads, contextTokens }: PixelLlmConfig): Promise<Model> {
  const { loadModel } = await import('pixel-llm');
  return loadModel(path, {
    device,
    ...(threads !== undefined && { threads }),
    ...(contextTokens !== undefined && { contextLength: contextTokens }),
  });
}

async function pixelLlmAvailability(path: string): Promise<Availability> {
  const tried = `load ${path}`;
  try {
    await import('pixel-llm');
  } catch {
    return unusable('The package pixel-llm is not installed.', 'npm install pixel-llm', "import('pixel-llm')");
  }
  try {
    const { openWeightsFile } = await import('pixel-llm');
    if (!/^https?:/.test(path)) await stat(path);
    const weights = await openWeightsFile(path);
    await weights.dispose();
    return usable(`${weights.head.tensors.size} tensors in ${path}`, tried);
  } catch (error) {
    return unusable(
      messageOf(error),
      'pixel-llm convert MODEL.gguf MODEL.pxi.png makes one; pixel-llm pull downloads one.',
      tried,
    );
  }
}

async function generateText(
  name: string,
  { temperature }: PixelLlmConfig,
  model: Model,
  request: AgentRequest,
): Promise<AgentAnswer> {
  const { signal, onText } = request;
  const prompt = encodePrompt(model, request);
  const maxTokens = answerTokens(name, {
    promptTokens: prompt.length,
    maxOutputTokens: request.maxOutputTokens,
    window: model.contextLength,
    kind: 'unknown',
  });
  using session = model.createSession();
  const generation = session.generate(prompt, { maxTokens, temperature, signal });
  try {
    for await (const piece of generation) if (piece.text !== '') onText?.(piece.text);
  } catch (cause) {
    if (signal?.aborted) throw new CoachError('aborted', 'Stopped.', { cause });
    throw cause;
  }
  const { text = '', tokens = [], promptTokens = 0, cachedTokens = 0, finishReason } = generation.result ?? {};
  return {
    text,
    model: model.name,
    usage: { inputTokens: promptTokens, outputTokens: tokens.length, cachedTokens, reasoningTokens: 0 },
    finishReason: finishReason === 'length' || finishReason === 'context' ? 'length' : 'stop',
  };
}

/** As a conversation where the model knows what that is, else as plain text. */
function encodePrompt(model: Model, { system, prompt }: AgentRequest): Int32Array {
  const messages: ChatMessage[] = [
    { role: 'system', content: system },
    { role: 'user', content: prompt },
  ];
  return model.chatTemplate
    ? model.chatTemplate.encode(messages, model.tokenizer)
    : Int32Array.from(model.tokenizer.encode(`${system}\n\n${prompt}\n`));
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
