/** What the main thread and a worker say to each other while a model is loaded. Steps need no messages (thread-control.ts). */
import type { PixelErrorCode } from '../../core/errors.ts';
import type { Program } from '../../program/program.ts';
import type { TrainingProgram } from '../../program/training-program.ts';
import type { TrainingBatch } from '../training-types.ts';
import type { CachePages } from './kv-cache.ts';
import type { Planes } from './load-shares.ts';
import type { BatchResult } from './training/training-share.ts';

export type ToThread =
  | {
      readonly kind: 'start';
      readonly compiled: WebAssembly.Module;
      readonly program: Program;
      readonly thread: number;
      readonly threads: number;
      readonly pages: CachePages;
      readonly control: SharedArrayBuffer;
      readonly data: SharedArrayBuffer;
    }
  | {
      readonly kind: 'pack';
      readonly name: string;
      readonly firstRow: number;
      readonly count: number;
      readonly planes: Planes;
    }
  | { readonly kind: 'vectors'; readonly vectors: ReadonlyMap<string, Float32Array<ArrayBuffer>> }
  /** From here on the thread takes commands, and no messages. */
  | { readonly kind: 'serve' };

export type FromThread =
  /** Planes that were packed go back, to be filled again. */
  | { readonly kind: 'done'; readonly planes: Planes }
  | { readonly kind: 'failed'; readonly code: PixelErrorCode; readonly message: string };

/** A thread that trains is asked by messages all along: a batch takes far longer than a message. */
export type ToTrainingThread =
  | { readonly kind: 'startTraining'; readonly compiled: WebAssembly.Module; readonly program: TrainingProgram }
  | { readonly kind: 'setWeights'; readonly weights: ReadonlyMap<string, Float32Array> }
  | { readonly kind: 'train'; readonly batch: TrainingBatch; readonly withGradients: boolean };

export type FromTrainingThread =
  | { readonly kind: 'ready' }
  | { readonly kind: 'trained'; readonly result: BatchResult }
  | { readonly kind: 'failed'; readonly code: PixelErrorCode; readonly message: string };
