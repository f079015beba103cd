/** The Node side of gguf/: opens a model by the path of its file, or of any file of its set. */
import type { ReadOptions } from '../core/byte-source.ts';
import { openFileByteSource } from '../core/node.ts';
import { type GgufModel, openGgufModel } from './split.ts';

/** Throws `file-not-found`, `missing-part`, `bad-gguf`, `limit-exceeded`, `truncated`, `io`. */
export function openGgufFile(path: string, options?: ReadOptions): Promise<GgufModel> {
  return openGgufModel(path, openFileByteSource, options);
}
