/** How well a model knows the grammar of the stories: what a story costs it beside what it costs the grammar, and what it tells itself. */
import { PixelError, throwIfAborted } from '../../core/errors.ts';
import type { WorkOptions } from '../../core/progress.ts';
import type { Model } from '../../engine/model.ts';
import { judgeStory } from '../corpora/stories.ts';

export interface TextScore {
  readonly texts: number;
  /** Predicted: the end of each text is one, the beginning-of-text token is not. */
  readonly tokens: number;
  readonly nats: number;
  readonly natsPerToken: number;
  readonly perplexity: number;
  readonly bitsPerByte: number;
}

export interface StoryScore extends TextScore {
  /** -ln of the probability with which the grammar writes these stories. */
  readonly grammarNats: number;
  /** nats / grammarNats: 1 for a perfect model. */
  readonly ratio: number;
}

export interface ToldStories {
  readonly told: number;
  /** Told ones that the grammar could have written: names, places and things stay what they were. */
  readonly right: number;
  readonly score: number;
  /** Some that were wrong. */
  readonly mistakes: readonly string[];
}

/** What texts cost a model, their ends included where it has an end-of-text token. Throws as Model.score, `bad-data` without any text. */
export async function scoreTexts(
  model: Model,
  texts: readonly string[],
  { signal, onProgress }: WorkOptions = {},
): Promise<TextScore> {
  if (texts.length === 0) throw new PixelError('bad-data', 'There is no text to score.');
  let [nats, tokens, bytes] = [0, 0, 0];
  const { tokenizer } = model;
  for (const [index, text] of texts.entries()) {
    throwIfAborted(signal);
    const { eosToken } = tokenizer;
    const ids = [...tokenizer.encode(text, { addSpecial: true }), ...(eosToken === undefined ? [] : [eosToken])];
    const { positions } = await model.score(ids, { top: 0, signal });
    for (const { logprob } of positions) {
      if (logprob === null) continue;
      nats -= logprob;
      tokens++;
    }
    bytes += new TextEncoder().encode(text).length;
    onProgress?.({ phase: 'scoring', done: index + 1, total: texts.length, unit: 'texts' });
  }
  const natsPerToken = nats / tokens;
  const bitsPerByte = nats / Math.LN2 / bytes;
  return { texts: texts.length, tokens, nats, natsPerToken, perplexity: Math.exp(natsPerToken), bitsPerByte };
}

/** Throws `bad-data` for a text that the grammar does not write. */
export async function scoreStories(
  model: Model,
  stories: readonly string[],
  options: WorkOptions = {},
): Promise<StoryScore> {
  const grammarNats = stories.reduce((sum, story, index) => {
    const judged = judgeStory(story);
    if (!judged) throw new PixelError('bad-data', `Text ${index + 1} is no story of the grammar.`);
    return sum + judged.nats;
  }, 0);
  const score = await scoreTexts(model, stories, options);
  return { ...score, grammarNats, ratio: score.nats / grammarNats };
}

/** The model's own stories, at temperature 1 from nothing, judged by the grammar. Seeds count up from `seed`. */
export async function tellStories(
  model: Model,
  count: number,
  { seed, atOnce = 1, signal, onProgress }: WorkOptions & { seed: number; atOnce?: number },
): Promise<ToldStories> {
  const [mistakes, indices] = [[] as string[], Array.from({ length: count }, (_, i) => i)];
  let [right, done] = [0, 0];
  const tellSome = async (): Promise<void> => {
    for (let index = indices.shift(); index !== undefined; index = indices.shift()) {
      throwIfAborted(signal);
      using session = model.createSession();
      const settings = { temperature: 1, topK: 0, topP: 1, minP: 0, seed: seed + index, maxTokens: 400, signal };
      const { text } = await session.generate('', settings).complete();
      if (judgeStory(text)) right++;
      else mistakes.push(text);
      onProgress?.({ phase: 'telling stories', done: ++done, total: count, unit: 'texts' });
    }
  };
  await Promise.all(Array.from({ length: Math.max(1, atOnce) }, tellSome));
  return { told: count, right, score: count === 0 ? 0 : right / count, mistakes };
}
