/** The wire forms of an answer: OpenAI's chat completion, whole and in chunks, and Gemini's generateContent. */
import type { ScriptedRequest, ScriptedUsage } from './script.ts';

/** Pieces a streamed text is cut into. */
const CHUNKS = 8;

export function chatCompletion(model: string, text: string, usage: ScriptedUsage): object {
  return {
    id: 'chatcmpl-scripted',
    object: 'chat.completion',
    created: 0,
    model,
    choices: [{ index: 0, message: { role: 'assistant', content: text }, finish_reason: 'stop' }],
    usage: openAiUsage(usage),
  };
}

/** The data of each server-sent event, the closing `[DONE]` included. */
export function* chatCompletionChunks(model: string, text: string, usage: ScriptedUsage): Generator<string> {
  const frame = { id: 'chatcmpl-scripted', object: 'chat.completion.chunk', created: 0, model };
  const size = Math.max(1, Math.ceil(text.length / CHUNKS));
  for (let at = 0; at < text.length; at += size) {
    const delta = { role: 'assistant', content: text.slice(at, at + size) };
    yield JSON.stringify({ ...frame, choices: [{ index: 0, delta, finish_reason: null }] });
  }
  yield JSON.stringify({ ...frame, choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] });
  yield JSON.stringify({ ...frame, choices: [], usage: openAiUsage(usage) });
  yield '[DONE]';
}

function openAiUsage({ inputTokens, outputTokens, cachedInputTokens = 0, reasoningTokens = 0 }: ScriptedUsage): object {
  return {
    prompt_tokens: inputTokens,
    completion_tokens: outputTokens,
    total_tokens: inputTokens + outputTokens,
    prompt_tokens_details: { cached_tokens: cachedInputTokens },
    completion_tokens_details: { reasoning_tokens: reasoningTokens },
  };
}

export function geminiRequest(model: string, body: Record<string, unknown>): ScriptedRequest {
  type Content = { role?: string; parts: { text?: string }[] };
  const system = body.systemInstruction as Content | undefined;
  const contents = [...(system ? [{ ...system, role: 'system' }] : []), ...((body.contents ?? []) as Content[])];
  const messages = contents.map(({ role, parts }) => ({
    role: role ?? 'user',
    content: parts.map((part) => part.text ?? '').join(''),
  }));
  return { model, messages, text: messages.map(({ content }) => content).join('\n'), body };
}

export function geminiAnswer(text: string): object {
  return { candidates: [{ content: { role: 'model', parts: [{ text }] }, finishReason: 'STOP', index: 0 }] };
}

/** Gemini counts thinking apart from the candidates; both are billed as output. */
export function geminiUsage(usage: ScriptedUsage): object {
  const { inputTokens, outputTokens, cachedInputTokens = 0, reasoningTokens = 0 } = usage;
  return {
    promptTokenCount: inputTokens,
    candidatesTokenCount: outputTokens - reasoningTokens,
    thoughtsTokenCount: reasoningTokens,
    cachedContentTokenCount: cachedInputTokens,
    totalTokenCount: inputTokens + outputTokens,
  };
}
