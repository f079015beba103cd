/** Gemini, across Google's own API. No temperature, top-p or top-k: its current models ignore them. */
import { createGoogleGenerativeAI } from '@ai-sdk/google';
import type { GeminiConfig } from '../config/config.ts';
import type { SecretReader } from '../config/secrets.ts';
import type { AgentDefaults } from './agent-defaults.ts';
import { describeUnreachable, unusable, usable } from './availability.ts';
import { fixedContextCheck } from './context-window.ts';
import { askJson, modelFetch } from './http-fetch.ts';
import { createLanguageModelAgent } from './language-model-agent.ts';
import type { Agent, Availability } from './types.ts';

const GEMINI_URL = 'https://generativelanguage.googleapis.com/v1beta';
/** What all its current models read. */
const CONTEXT_TOKENS = 1_000_000;

export function createGeminiAgent(name: string, config: GeminiConfig, defaults: AgentDefaults): Agent {
  const { model, thinking, timeoutSeconds, contextTokens = CONTEXT_TOKENS } = config;
  const baseUrl = config.baseUrl ?? GEMINI_URL;
  const key = defaults.secrets.reader(config.apiKey);
  return createLanguageModelAgent({
    name,
    kind: 'gemini',
    modelId: model,
    paid: defaults.paid,
    maxOutputTokens: config.maxOutputTokens,
    timeoutSeconds,
    structuredOutput: true,
    retry: defaults.retry,
    secrets: key.known,
    context: fixedContextCheck(name, contextTokens),
    model: async () =>
      createGoogleGenerativeAI({ apiKey: await key.require(name), baseURL: baseUrl, fetch: modelFetch })(model),
    ...(thinking !== undefined && { providerOptions: { google: { thinkingConfig: { thinkingLevel: thinking } } } }),
    availability: (signal) => geminiAvailability(`${baseUrl}/models/${model}`, model, key, signal),
  });
}

async function geminiAvailability(
  url: string,
  model: string,
  key: SecretReader,
  signal: AbortSignal | undefined,
): Promise<Availability> {
  const secret = await key.read();
  if ('missing' in secret) return unusable(secret.missing, secret.remedy, secret.tried);
  const tried = `GET ${url}`;
  try {
    const { status } = await askJson(url, { headers: { 'x-goog-api-key': secret.value }, signal });
    if (status === 200) return usable(`${model} answers`, tried);
    if (status === 404) return unusable(`Gemini knows no model ${model}.`, 'Choose another "model".', tried);
    if (status === 400 || status === 401 || status === 403) {
      return unusable(
        `Gemini refuses the key (status ${status}).`,
        'Get a key at https://aistudio.google.com/apikey and check the one in use.',
        tried,
      );
    }
    return unusable(`Gemini answered with status ${status}.`, 'Try again later.', tried);
  } catch (error) {
    return unusable(describeUnreachable(error), 'Check the network connection.', tried);
  }
}
