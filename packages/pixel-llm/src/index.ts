/** The public entry for browsers: everything that needs no file system. Node gets node.ts, which is this and files. */
export type { DeviceName } from './backends/types.ts';
export { BlobByteSource, type ByteSource, MemoryByteSource } from './core/byte-source.ts';
export { ERROR_CODES, isPixelError, PixelError, type PixelErrorCode } from './core/errors.ts';
export { openHttpByteSource } from './core/http-byte-source.ts';
export type { OnProgress, Progress } from './core/progress.ts';
export type {
  FinishReason,
  GeneratedPiece,
  GenerateOptions,
  Generation,
  GenerationResult,
} from './engine/generation.ts';
export { type LoadModelOptions, loadModel, type ModelSource } from './engine/load-model.ts';
export type { Model } from './engine/model.ts';
export type { SamplingOptions } from './engine/sampling-options.ts';
export type { Score, ScoredPosition, ScoreOptions } from './engine/score.ts';
export type { Prompt, Session } from './engine/session.ts';
export type { Metadata, MetadataValue, TensorInfo } from './gguf/head.ts';
export type { Program } from './program/program.ts';
export { openWeights } from './pxi/open-weights.ts';
export type { WeightHead, WeightSource } from './pxi/weight-source.ts';
export type { ChatMessage, ChatTemplate } from './tokenizer/chat-template.ts';
export type { Tokenizer } from './tokenizer/tokenizer.ts';
