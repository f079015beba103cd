/**
 * The interface every backend implements: load a Program with its weights, run batches, keep the KV pages.
 * The engine decides which sequence owns which page; the backend only stores them.
 */
import type { PixelError } from '../core/errors.ts';
import type { WorkOptions } from '../core/progress.ts';
import type { ActivationMode, Program } from '../program/program.ts';
import type { WeightSource } from '../pxi/weight-source.ts';

export type DeviceName = 'reference' | 'cpu' | 'gpu';

/** What a KV cache keeps keys and values in: half-precision numbers, or 8-bit integers with an f32 scale for 32 dimensions. */
export const KV_TYPES = ['f16', 'q8'] as const;
export type KvType = (typeof KV_TYPES)[number];

/**
 * One run of the Program: entries (token, sequence, position), prompt processing, decoding, several users' sequences and
 * speculative checks alike. Entries of one sequence stand in ascending position; all earlier positions of the sequence must have
 * been run before, or be part of the batch. No two entries may write the same place of the same page.
 * `step` throws `bad-argument` for a batch that contradicts itself or names what does not exist, before it changes anything.
 */
export interface Batch {
  /** Sequence of each entry: an index into `pages`. [tokens] */
  readonly sequences: Int32Array;
  /** Position of each entry within its sequence. [tokens] */
  readonly positions: Int32Array;
  /** For each sequence, its KV pages in order: page i holds positions i x pageTokens to (i + 1) x pageTokens - 1. */
  readonly pages: readonly (readonly number[])[];
  /** Which entries' rows `takeRows` keeps, ascending. [outputs] */
  readonly outputEntries: Int32Array;
  /** One row an output, for the `sample` op. */
  readonly sampling?: readonly SamplingSettings[];
  /**
   * For each output, where the device keeps its token for the next step, or -1: see Executor.ahead. [outputs]
   */
  readonly sampleSlots?: Int32Array;
  /** The Program's inputs by name, flat. `positions` is taken from above and need not be given. */
  readonly inputs: Readonly<Record<string, Int32Array | Float32Array>>;
}

/** The settings of one `sample` row. reference/sample.ts is the specification: what is done, in which order, with which numbers. */
export interface SamplingSettings {
  /** 0 = greedy. */
  readonly temperature: number;
  /** Keep the k likeliest. 0 = off. More than 256 means 256, unless `wholeVocabulary`. */
  readonly topK: number;
  /** Keep the smallest set whose probability reaches p. 1 = off. */
  readonly topP: number;
  /** Drop what is less likely than minP x the likeliest. 0 = off. */
  readonly minP: number;
  /** Logits of tokens in `recentTokens` are divided (positive) or multiplied (negative) by this. 1 = off. */
  readonly repeatPenalty: number;
  /** Subtracted once for each occurrence in `recentTokens`. */
  readonly frequencyPenalty: number;
  /** Subtracted once for each distinct token in `recentTokens`. */
  readonly presencePenalty: number;
  readonly recentTokens: Int32Array;
  /** Added to the logits of single tokens before anything else. */
  readonly bias: readonly (readonly [token: number, bias: number])[];
  /** Choose among the whole vocabulary, not only its 256 likeliest tokens: exact, but slow on a GPU. */
  readonly wholeVocabulary?: boolean;
  /** Random numbers are counter-based: a function of (seed, position) alone. Both whole numbers >= 0, the seed below 2^53. */
  readonly seed: number;
  readonly position: number;
  /** Return this many of the likeliest tokens with their log-probabilities. At most 256, unless `wholeVocabulary`. */
  readonly topLogprobs: number;
  /** The token is all that is asked for: its `logprob`, a sum over the whole vocabulary, may be left out. */
  readonly withoutLogprob?: boolean;
}

export interface SampledToken {
  readonly token: number;
  /** ln p of the token under the model's own distribution (temperature 1, before penalties). NaN if it was not asked for. */
  readonly logprob: number;
  /** The likeliest tokens, best first, under the same distribution. */
  readonly top: readonly (readonly [token: number, logprob: number])[];
}

export interface StepResult {
  /** Filled when the Program has a `sample` op and the batch has sampling rows. One an output. */
  readonly sampled: readonly SampledToken[];
  /** The values asked for, flat, in the shape the Program declares. */
  readonly values: ReadonlyMap<string, Float32Array | Int32Array>;
}

export interface StepOptions {
  signal?: AbortSignal | undefined;
  /** Names of values to read back: `logits`, or any value of the Program (for op-by-op comparison). */
  readBack?: readonly string[];
}

/** A page of 64 positions: small enough to waste little on a short sequence, large enough that page tables stay short. */
export const DEFAULT_PAGE_TOKENS = 64;

export interface LoadOptions extends WorkOptions {
  /** KV positions a page holds. Default: DEFAULT_PAGE_TOKENS. */
  pageTokens?: number;
  /** Pages to provide for. */
  pageCount: number;
}

/** A Program with its weights and KV pages on one device. */
export interface Executor {
  readonly device: DeviceName;
  readonly program: Program;
  readonly pageTokens: number;
  readonly pageCount: number;
  /** Why it cannot compute any more (`device-lost`): whatever it is asked then throws this. Undefined while it can. */
  readonly loss?: PixelError | undefined;
  /** Kernels begun for one token of one sequence, where that is worth knowing: each costs time of its own on a GPU. */
  readonly dispatchesPerToken?: number | undefined;
  /** Where present: makes what was lost anew, with an empty KV cache. Throws what Backend.load throws, and what opening the weights throws. */
  readonly rebuild?: (() => Promise<void>) | undefined;
  /**
   * Where present, a step may be called before the results of the ones before it are there, up to `steps` at once: they run in the order of the
   * calls, and a token may be one that the caller does not know yet. `Batch.sampleSlots` keeps an output's token on the device, in one
   * of `slots` places; as input, -1 - i stands for the token in place i.
   */
  readonly ahead?: { readonly steps: number; readonly slots: number } | undefined;
  /** Throws `bad-argument`, `not-finite`, `aborted`, `device-lost`, `disposed`. */
  step(batch: Batch, options?: StepOptions): Promise<StepResult>;
  /** Copies the first `tokens` positions of a page, in every layer: what a fork does with its partial page. */
  copyPage(from: number, to: number, tokens: number): Promise<void>;
  /**
   * The keys and values of a page's first `tokens` positions: for each state of the Program in order, keys [tokens, kvHeads x headDim],
   * then values of the same shape. What `writePage` is given must give the same results as the page it came from.
   * Where these are missing, a session is saved without its cache.
   */
  readonly readPage?: ((page: number, tokens: number) => Promise<Float32Array>) | undefined;
  /** Throws `bad-argument` for a page or a length that cannot be. */
  readonly writePage?: ((page: number, values: Float32Array) => Promise<void>) | undefined;
  /** Ends what runs, which throws `disposed`, and gives the memory back. Harmless twice. */
  dispose(): Promise<void>;
}

export interface Backend {
  readonly device: DeviceName;
  /** One line for people: what it runs on. */
  readonly description: string;
  /** What products with quantized weights should do with their activations in Programs for it: what it computes fastest. */
  readonly activations: ActivationMode;
  /** Bytes needed for the Program's weights and the given KV pages, before anything is loaded. */
  estimateBytes(program: Program, pages: { pageCount: number; pageTokens: number }): number;
  /**
   * Reads each weight once, from the source into the device. On any failure nothing stays behind.
   * Throws `bad-program`, `unknown-tensor`, `unsupported-type`, `out-of-memory`, `aborted`, and what the source throws.
   */
  load(program: Program, weights: WeightSource, options: LoadOptions): Promise<Executor>;
}
