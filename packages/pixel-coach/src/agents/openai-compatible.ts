/** Any server that speaks OpenAI's chat protocol: Ollama, llama.cpp, LM Studio, vLLM, and paid services that do. */
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { z } from 'zod';
import type { OpenAiCompatibleConfig } from '../config/config.ts';
import type { SecretReader } from '../config/secrets.ts';
import type { AgentDefaults } from './agent-defaults.ts';
import { describeUnreachable, unusable, usable } from './availability.ts';
import { askServer, serverContextCheck } from './context-window.ts';
import { askJson, modelFetch } from './http-fetch.ts';
import { createLanguageModelAgent } from './language-model-agent.ts';
import type { Agent, Availability } from './types.ts';

const modelList = z.object({ data: z.array(z.object({ id: z.string() })) });
/** Names shown when the one that is asked for is missing. */
const SHOWN_MODELS = 8;

export function createOpenAiCompatibleAgent(
  name: string,
  config: OpenAiCompatibleConfig,
  defaults: AgentDefaults,
): Agent {
  const { model, temperature, timeoutSeconds, structuredOutput, contextTokens } = config;
  const baseUrl = config.baseUrl.replace(/\/+$/, '');
  const key = config.apiKey ? defaults.secrets.reader(config.apiKey) : undefined;
  const headers = async (): Promise<Record<string, string>> =>
    key ? { authorization: `Bearer ${await key.require(name)}` } : {};
  return createLanguageModelAgent({
    name,
    kind: 'openai-compatible',
    modelId: model,
    paid: defaults.paid,
    maxOutputTokens: config.maxOutputTokens,
    timeoutSeconds,
    temperature,
    structuredOutput,
    retry: defaults.retry,
    secrets: key?.known ?? (() => []),
    context: serverContextCheck(name, contextTokens, async () => ({ baseUrl, model, headers: await headers() })),
    model: async () =>
      createOpenAICompatible({
        name: 'server',
        baseURL: baseUrl,
        headers: await headers(),
        includeUsage: true,
        supportsStructuredOutputs: structuredOutput,
        fetch: modelFetch,
      }).chatModel(model),
    availability: (signal) => serverAvailability(baseUrl, model, key, signal),
  });
}

async function serverAvailability(
  baseUrl: string,
  model: string,
  key: SecretReader | undefined,
  signal: AbortSignal | undefined,
): Promise<Availability> {
  const secret = await key?.read();
  if (secret && 'missing' in secret) return unusable(secret.missing, secret.remedy, secret.tried);
  const headers = secret ? { authorization: `Bearer ${secret.value}` } : {};
  const tried = `GET ${baseUrl}/models`;
  try {
    const { status, body } = await askJson(`${baseUrl}/models`, { headers, signal });
    if (status === 401 || status === 403) {
      return unusable(`The server refuses the key (status ${status}).`, 'Check where "apiKey" takes it from.', tried);
    }
    const list = modelList.safeParse(body);
    if (status !== 200 || !list.success) {
      return unusable(
        `The server answered with status ${status} and no list of models.`,
        '"baseUrl" must be the address of an OpenAI-compatible server, up to and including /v1.',
        tried,
      );
    }
    const names = list.data.data.map(({ id }) => id);
    if (names.some((id) => id === model || id === `${model}:latest`)) return usable(`${model} is there`, tried);
    const { kind } = await askServer({ baseUrl, model, headers, signal });
    // llama.cpp's server holds one model and answers to any name.
    if (kind === 'llama.cpp') return usable(`the server holds ${names[0] ?? 'a model'}`, tried);
    const remedy = kind === 'ollama' ? `ollama pull ${model}` : 'Choose one of them as "model", or load it there.';
    return unusable(`The server has no model "${model}", but: ${shortList(names)}.`, remedy, tried);
  } catch (error) {
    const isOllama = new URL(baseUrl).port === '11434';
    const remedy = isOllama
      ? 'Start Ollama: ollama serve (https://ollama.com/download).'
      : 'Start the server, or correct "baseUrl".';
    return unusable(describeUnreachable(error), remedy, tried);
  }
}

function shortList(names: readonly string[]): string {
  if (names.length === 0) return 'none at all';
  const shown = names.slice(0, SHOWN_MODELS).join(', ');
  return names.length > SHOWN_MODELS ? `${shown} and ${names.length - SHOWN_MODELS} more` : shown;
}
