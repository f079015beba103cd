/** What a model in training writes by now: its own words tell more than a loss. */
import type { WorkOptions } from '../core/progress.ts';
import { loadModel } from '../engine/load-model.ts';
import { type MemoryTensor, memoryWeights } from '../pxi/memory-weights.ts';
import type { WeightSource } from '../pxi/weight-source.ts';
import { readValues } from './checkpoint.ts';
import { type DataLine, SequenceEncoder } from './data-file.ts';
import type { TrainerState } from './trainer.ts';

export interface SampleOptions extends WorkOptions {
  /** Tokens to write. Default 40. */
  readonly tokens?: number;
  readonly threads?: number | undefined;
}

export interface SampleText {
  readonly prompt: string;
  readonly text: string;
}

/** Tokens of a text without a prompt that it is begun with. */
const BEGINNING = 6;

/**
 * The likeliest text after the line's prompt, or after its first words, on the device `cpu`. `adapter`: what learns instead of the base.
 * Throws what loading and generating throw.
 */
export async function sampleText(
  base: WeightSource,
  adapter: WeightSource | undefined,
  weights: TrainerState['weights'],
  line: DataLine,
  { tokens: maxTokens = 40, threads, signal }: SampleOptions = {},
): Promise<SampleText> {
  const learned = await withWeights(adapter ?? base, weights);
  const model = await loadModel(adapter ? base : learned, {
    ...{ device: 'cpu', threads, signal },
    ...(adapter && { adapter: learned }),
  });
  try {
    const { tokens, learnFrom } = new SequenceEncoder(model.tokenizer, base.head.metadata).encode(line);
    const prompt = tokens.slice(0, 'text' in line ? learnFrom + BEGINNING : learnFrom);
    const { text } = await model.createSession().generate(prompt, { maxTokens, temperature: 0, signal }).complete();
    return { prompt: model.tokenizer.decode(prompt), text };
  } finally {
    await model.dispose();
  }
}

async function withWeights(source: WeightSource, weights: TrainerState['weights']): Promise<WeightSource> {
  const tensors = new Map<string, MemoryTensor>();
  for (const [name, { dimensions }] of source.head.tensors) {
    tensors.set(name, { dimensions, values: weights.get(name) ?? (await readValues(source, name)) });
  }
  return memoryWeights(source.name, source.head.metadata, tensors);
}
