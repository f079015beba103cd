/** A training recipe: all that a training depends on beside the data, as JSON. The same recipe and data give the same model. */
import { z } from 'zod';
import { PixelError } from '../core/errors.ts';
import { LIMITS } from '../core/limits.ts';
import type { NewModelShape } from './new-model.ts';

const count = z.int().min(1);

const shapeSchema = z
  .strictObject({
    name: z.string().min(1).max(200),
    dim: count.max(LIMITS.modelWidth),
    layers: count.max(LIMITS.modelLayers),
    heads: count,
    kvHeads: count,
    hidden: count.max(LIMITS.modelWidth),
    contextLength: count.max(LIMITS.contextLength),
    ropeBase: z.number().gt(1).max(1e9).optional(),
  })
  .refine(({ dim, heads }) => (dim / heads) % 2 === 0, {
    message: 'dim must be an even multiple of heads',
    path: ['heads'],
  })
  .refine(({ heads, kvHeads }) => heads % kvHeads === 0, { message: 'kvHeads must divide heads', path: ['kvHeads'] });

const tokenizerSchema = z.strictObject({
  vocabulary: count.max(LIMITS.arrayElements),
  preTokenizer: z.string().default('gpt-2'),
});

export interface Recipe {
  /** A model to begin with; or a new one, of a shape and with a tokenizer learned from the data. */
  model: { from: string } | { shape: NewModelShape; tokenizer: { vocabulary: number; preTokenizer: string } };
  /** Data files, relative to the recipe. */
  data: string[];
  /** Share of the lines that are not learned, and measured instead. Default 0.02. */
  heldOut: number;
  steps: number;
  /** Tokens learned from in one step, about. Default 8192. */
  stepTokens: number;
  /** Tokens that go through the model at once: bounds memory. No sequence may be longer. Default 1024. */
  batchTokens: number;
  /** Default 0.003. */
  learningRate: number;
  /** Default 100. */
  warmUpSteps: number;
  /** What is left of the learning rate at the end. Default 0.05. */
  finalShare: number;
  /** Default 0.1. */
  weightDecay: number;
  /** AdamW's memory of squares: the share that a step keeps. Default 0.95. */
  beta2: number;
  /** Default 1. */
  clipNorm: number;
  /** Default 1. */
  seed: number;
  /** What is held out is measured every so many steps. Default 250. */
  measureEvery: number;
}

const recipeSchema: z.ZodType<Recipe> = z.strictObject({
  model: z.union([
    z.strictObject({ from: z.string().min(1) }),
    z.strictObject({ shape: shapeSchema, tokenizer: tokenizerSchema }),
  ]),
  data: z.array(z.string().min(1)).min(1),
  heldOut: z.number().min(0).max(0.5).default(0.02),
  steps: count.max(100_000_000),
  stepTokens: count.default(8192),
  batchTokens: count.default(1024),
  learningRate: z.number().positive().default(0.003),
  warmUpSteps: z.int().min(0).default(100),
  finalShare: z.number().min(0).max(1).default(0.05),
  weightDecay: z.number().min(0).default(0.1),
  beta2: z.number().gt(0).lt(1).default(0.95),
  clipNorm: z.number().positive().default(1),
  seed: z.int().min(0).default(1),
  measureEvery: count.default(250),
});

/** Throws `bad-data`, naming what is wrong. */
export function parseRecipe(name: string, text: string): Recipe {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new PixelError('bad-data', `${name} is not JSON: ${cause instanceof Error ? cause.message : cause}`, {
      cause,
    });
  }
  const parsed = recipeSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new PixelError('bad-data', `${name}: ${issue?.path.join('.') || 'the recipe'}: ${issue?.message}`);
}
