/**
 * What a page and the worker with its model say to each other. The page calls, the worker answers each call once; only when a model is
 * read from an object of the page's does the worker ask. One worker holds one model.
 */
import type { DeviceName, KvType } from '../backends/types.ts';
import type { AssetUrls } from '../core/asset-urls.ts';
import type { Progress } from '../core/progress.ts';
import type { EmbedOptions } from '../engine/embedding.ts';
import type { GeneratedPiece, GenerateOptions, GenerationResult } from '../engine/generation.ts';
import type { Score, ScoreOptions } from '../engine/score.ts';
import type { Prompt } from '../engine/session.ts';
import type { ActivationMode, Program } from '../program/program.ts';
import type { RowRange, WeightHead } from '../pxi/weight-source.ts';
import type { ChatMessage } from '../tokenizer/chat-template.ts';
import type { ErrorMessage } from './error-message.ts';

/** Options without what cannot be sent: signal, progress and the like have messages of their own. */
type Plain<Options> = Omit<Options, 'signal' | 'onProgress'>;

/** Where the worker gets the model from. `object`: a ByteSource or WeightSource of the page, by its number. */
export type SentSource =
  | { readonly kind: 'url'; readonly href: string }
  | { readonly kind: 'files'; readonly files: readonly (Blob & { readonly name?: string })[] }
  | { readonly kind: 'bytes'; readonly object: number; readonly name: string; readonly size: number }
  | { readonly kind: 'weights'; readonly object: number; readonly name: string; readonly head: WeightHead };

interface SentLoadOptions {
  readonly device?: 'auto' | DeviceName | undefined;
  readonly threads?: number | undefined;
  readonly kvType?: KvType | undefined;
  readonly gpuAdapter?: string | undefined;
  readonly gpuActivations?: ActivationMode | undefined;
  readonly contextLength?: number | undefined;
  readonly sequences?: number | undefined;
  /** Keep a model from a URL in the browser's storage. */
  readonly keep: boolean;
  /** Check every line of what is kept first. */
  readonly check: boolean;
}

/** A loaded model, as far as it can be copied. */
export interface ModelFacts {
  readonly name: string;
  readonly head: WeightHead;
  readonly program: Program;
  readonly contextLength: number;
  readonly device: DeviceName;
  readonly memoryBytes: number;
  readonly dispatchesPerToken: number | undefined;
}

interface SentPrompt {
  readonly session: number;
  readonly prompt: Prompt;
  readonly options: Plain<GenerateOptions>;
}

/** Each call: what it is given, and what it answers. Sessions and generations are numbered by the page. */
export interface Calls {
  load: { given: { assets: AssetUrls; source: SentSource; options: SentLoadOptions }; answer: ModelFacts };
  createSession: { given: { session: number }; answer: undefined };
  forkSession: { given: { session: number; fork: number }; answer: undefined };
  disposeSession: { given: { session: number }; answer: undefined };
  saveSession: {
    given: { session: number; messages: readonly ChatMessage[]; cache: boolean };
    answer: { bytes: Uint8Array<ArrayBuffer>; cache: boolean };
  };
  restoreSession: {
    given: { session: number; file: Exclude<SentSource, { kind: 'url' | 'weights' }> };
    answer: {
      tokens: readonly number[];
      messages: readonly ChatMessage[];
      settings: GenerateOptions;
      cache: 'restored' | 'computed';
    };
  };
  /** Begins a generation; its signal and progress stay with this call until `leave`. */
  generate: { given: SentPrompt & { generation: number }; answer: { promptTokens: readonly number[] } };
  next: { given: { generation: number }; answer: GeneratedPiece | undefined };
  /** Runs to the end. */
  finish: { given: { generation: number }; answer: undefined };
  /** Ends a generation, also one that has ended. */
  leave: { given: { generation: number }; answer: GenerationResult | undefined };
  score: { given: { text: Prompt; options: Plain<ScoreOptions> }; answer: Score };
  embed: { given: { text: Prompt; options: Plain<EmbedOptions> }; answer: Float32Array<ArrayBuffer> };
}

export type CallName = keyof Calls;

export type ToWorker =
  | { readonly kind: 'call'; readonly id: number; readonly name: CallName; readonly given: Calls[CallName]['given'] }
  | { readonly kind: 'abort'; readonly id: number }
  | { readonly kind: 'bytes'; readonly id: number; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly kind: 'no-bytes'; readonly id: number; readonly error: ErrorMessage };

export type FromWorker =
  | { readonly kind: 'answer'; readonly id: number; readonly answer: Calls[CallName]['answer'] }
  | { readonly kind: 'failed'; readonly id: number; readonly error: ErrorMessage }
  | { readonly kind: 'progress'; readonly id: number; readonly progress: Progress }
  | { readonly kind: 'note'; readonly sentence: string }
  /** Asks an object of the page's for bytes; reading ends when `signal` of the call fires, on the page's side. */
  | { readonly kind: 'read'; readonly id: number; readonly object: number; readonly what: WantedBytes }
  | { readonly kind: 'close'; readonly object: number };

export type WantedBytes =
  | { readonly offset: number; readonly length: number }
  | { readonly tensor: string; readonly plane: string; readonly rows: RowRange; readonly length: number };
