/** The options of a generation as JSON can hold them, and back. */
import type { GenerateOptions } from './generation.ts';

export interface SavedSettings {
  temperature?: number | undefined;
  topK?: number | undefined;
  topP?: number | undefined;
  minP?: number | undefined;
  repeatPenalty?: number | undefined;
  frequencyPenalty?: number | undefined;
  presencePenalty?: number | undefined;
  repeatWindow?: number | undefined;
  seed?: number | undefined;
  wholeVocabulary?: boolean | undefined;
  /** null stands for -Infinity, which JSON does not have. */
  logitBias?: [token: number, bias: number | null][] | undefined;
  stop?: string[] | undefined;
  ignoreEndOfText?: boolean | undefined;
}

/** What decides the next tokens; when the text ends and how it is watched is the next call's business. */
export function saveSettings(options: GenerateOptions): SavedSettings {
  const { temperature, topK, topP, minP, repeatPenalty, frequencyPenalty, presencePenalty, repeatWindow } = options;
  const { seed, wholeVocabulary, logitBias, stop, ignoreEndOfText } = options;
  return {
    ...{ temperature, topK, topP, minP, repeatPenalty, frequencyPenalty, presencePenalty, repeatWindow },
    ...{ seed, wholeVocabulary, ignoreEndOfText },
    ...(logitBias && {
      logitBias: [...logitBias].map(([token, bias]) => [token, Number.isFinite(bias) ? bias : null]),
    }),
    ...(stop !== undefined && { stop: typeof stop === 'string' ? [stop] : [...stop] }),
  };
}

export function restoreSettings({ logitBias, ...settings }: SavedSettings): GenerateOptions {
  if (!logitBias) return settings;
  return {
    ...settings,
    logitBias: logitBias.map(([token, bias]) => [token, bias ?? Number.NEGATIVE_INFINITY] as const),
  };
}
