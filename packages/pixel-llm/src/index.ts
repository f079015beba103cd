/**
 * The public entry for browsers: everything that needs no file system. Node gets node.ts, which is this and files.
 * What is exported here is kept stable; nothing imports deeper.
 */

export { type BackendOptions, type DeviceReport, listDevices, selectBackend } from './backends/select.ts';
export type { Backend, Batch, DeviceName, Executor, SamplingSettings, StepResult } from './backends/types.ts';
export { type ByteSink, MemoryByteSink } from './core/byte-sink.ts';
export { BlobByteSource, type ByteSource, MemoryByteSource } from './core/byte-source.ts';
export { ERROR_CODES, isPixelError, PixelError, type PixelErrorCode } from './core/errors.ts';
export { openHttpByteSource } from './core/http-byte-source.ts';
export type { OnProgress, Progress, WorkOptions } from './core/progress.ts';
export type { EmbedOptions } from './engine/embedding.ts';
export type {
  FinishReason,
  GeneratedPiece,
  GenerateOptions,
  Generation,
  GenerationResult,
} from './engine/generation.ts';
export { type LoadModelOptions, loadModel, type ModelSource } from './engine/load-model.ts';
export type { Model, RestoredSession } from './engine/model.ts';
export type { SamplingOptions } from './engine/sampling-options.ts';
export type { Score, ScoredPosition, ScoreOptions } from './engine/score.ts';
export type { Prompt, SaveSessionOptions, Session } from './engine/session.ts';
export { dequantize } from './gguf/dequantize.ts';
export type { Metadata, MetadataValue, TensorInfo } from './gguf/head.ts';
export { quantize } from './gguf/quantize.ts';
export { readGgufHead } from './gguf/reader.ts';
export { TENSOR_TYPES, type TensorType, tensorTypeByName } from './gguf/tensor-types.ts';
export { encodeGgufHead } from './gguf/writer.ts';
export { openPixelFs, type PixelFile, type PixelFileInfo, verifyPixelFs } from './png/pixelfs.ts';
export { type WritePixelFsOptions, writePixelFs } from './png/pixelfs-writer.ts';
export { buildProgram } from './program/build-program.ts';
export type { Program } from './program/program.ts';
export { type ConvertToGgufOptions, convertToGguf } from './pxi/convert-to-gguf.ts';
export { type ConvertToPictureOptions, convertToPictures } from './pxi/convert-to-picture.ts';
export { inspectModel } from './pxi/inspect.ts';
export { type MadeModel, makeModel } from './pxi/make-model.ts';
export type { ModelContent } from './pxi/model-content.ts';
export { type OpenModelOptions, openContent, openWeights } from './pxi/open-weights.ts';
export { readRows } from './pxi/read-rows.ts';
export { renderModel, renderTensor } from './pxi/render.ts';
export { requantizeContent } from './pxi/requantized-content.ts';
export { verifyModelFile } from './pxi/verify-file.ts';
export type { ModelFinding } from './pxi/verify-model.ts';
export type { RowRange, WeightHead, WeightSource } from './pxi/weight-source.ts';
export { type ChatMessage, type ChatTemplate, createChatTemplate } from './tokenizer/chat-template.ts';
export { createTokenizer, type Tokenizer } from './tokenizer/tokenizer.ts';
