/** What the main thread and a worker say to each other while a model is loaded. Steps need no messages (thread-control.ts). */
import type { PixelErrorCode } from '../../core/errors.ts';
import type { Program } from '../../program/program.ts';
import type { Planes } from './load-shares.ts';

export type ToThread =
  | {
      readonly kind: 'start';
      readonly compiled: WebAssembly.Module;
      readonly program: Program;
      readonly thread: number;
      readonly threads: number;
      readonly pages: { readonly pageCount: number; readonly pageTokens: number };
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
