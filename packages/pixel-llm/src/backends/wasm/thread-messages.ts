/** What the main thread and a worker say to each other while a model is loaded. Steps need no messages (thread-control.ts). */
import type { PixelErrorCode } from '../../core/errors.ts';
import type { Program } from '../../program/program.ts';
import type { CachePages } from './kv-cache.ts';

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
      readonly planes: readonly Uint8Array<ArrayBuffer>[];
    }
  | { readonly kind: 'vector'; readonly name: string; readonly values: Float32Array<ArrayBuffer> }
  /** From here on the thread takes commands, and no messages. */
  | { readonly kind: 'serve' };

export type FromThread =
  | { readonly kind: 'done' }
  | { readonly kind: 'failed'; readonly code: PixelErrorCode; readonly message: string };
