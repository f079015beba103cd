/** Tokens of a text without its tokenizer: bounds by its bytes, and what a provider's report of usage comes to. */
import type { LanguageModelUsage } from 'ai';
import type { TokenUsage } from '../store/types.ts';

/** What servers put around the messages: roles, turns, tool preambles. */
const FRAME_TOKENS = 64;
/** Code takes 3 to 4 bytes a token in the vocabularies of current models. */
const USUAL_BYTES_A_TOKEN = 3;

/** More tokens than bytes there cannot be: for money, where a text may have been made to be expensive. */
export function mostTokens(text: string): number {
  return Buffer.byteLength(text) + FRAME_TOKENS;
}

/** On the high side for code and prose: for context windows, where the worst case would refuse everything. */
export function usualTokens(text: string): number {
  return Math.ceil(Buffer.byteLength(text) / USUAL_BYTES_A_TOKEN) + FRAME_TOKENS;
}

/**
 * What is billed. Some servers report thinking inside the output and some beside it; the total tells. Without a report the bounds
 * `fallback` count.
 */
export function billedUsage(usage: LanguageModelUsage | undefined, fallback: TokenUsage): TokenUsage {
  if (usage?.inputTokens === undefined && usage?.outputTokens === undefined) return fallback;
  const inputTokens = count(usage.inputTokens, fallback.inputTokens);
  const output = count(usage.outputTokens, fallback.outputTokens);
  const outputTokens = Math.max(output, count(usage.totalTokens, 0) - inputTokens);
  return {
    inputTokens,
    outputTokens,
    cachedTokens: Math.min(inputTokens, count(usage.inputTokenDetails?.cacheReadTokens, 0)),
    reasoningTokens: Math.min(outputTokens, count(usage.outputTokenDetails?.reasoningTokens, 0)),
  };
}

/** Numbers of a server: whole and not negative, or they do not count. */
function count(value: number | undefined, otherwise: number): number {
  return value !== undefined && Number.isSafeInteger(value) && value >= 0 ? value : otherwise;
}
