/**
 * The public entry of what needs neither files nor a page: node.ts and browser.ts are this and more, and one of the two is what is imported.
 * What is exported here is kept stable; nothing imports deeper.
 */

export { type CompareOptions, compareDevices } from './backends/compare/compare-devices.ts';
export type { DeviceComparison, OpComparison } from './backends/compare/comparison.ts';
export { type BackendOptions, type DeviceReport, listDevices, selectBackend } from './backends/select.ts';
export { selectTraining, type TrainingDeviceOptions } from './backends/select-training.ts';
export type { LoadTraining } from './backends/training-types.ts';
export type {
  Backend,
  Batch,
  DeviceName,
  Executor,
  KvType,
  LoadOptions,
  SampledToken,
  SamplingSettings,
  StepOptions,
  StepResult,
} from './backends/types.ts';
export {
  type GpuCompute,
  type GpuComputeOptions,
  openGpuCompute,
  type PlanarMatrix,
} from './backends/webgpu/gpu-compute.ts';
export type { MatrixShape } from './backends/webgpu/kernels/matrix-product.ts';
export { type ByteSink, MemoryByteSink } from './core/byte-sink.ts';
export { BlobByteSource, type ByteSource, MemoryByteSource, type ReadOptions } from './core/byte-source.ts';
export { ERROR_CODES, isPixelError, PixelError, type PixelErrorCode, type PixelErrorOptions } from './core/errors.ts';
export { type HttpByteSourceOptions, openHttpByteSource } from './core/http-byte-source.ts';
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
export type { Metadata, MetadataArray, MetadataValue, TensorInfo } from './gguf/head.ts';
export { quantize } from './gguf/quantize.ts';
export { type GgufHead, type ReadGgufHeadOptions, readGgufHead } from './gguf/reader.ts';
export { TENSOR_TYPES, type TensorType, tensorTypeByName } from './gguf/tensor-types.ts';
export { type EncodedGgufHead, encodeGgufHead } from './gguf/writer.ts';
export { type EditChange, type EditReport, editWeights, type WeightEdit } from './map/edit-weights.ts';
export { openHttpMap } from './map/http-tile-store.ts';
export {
  InfiniteMap,
  type InfiniteMapOptions,
  type MapStatistics,
  type MountOptions,
  type ReadRegionOptions,
  type WriteRegionOptions,
} from './map/infinite-map.ts';
export {
  type LocatedLayer,
  type LocatedPlane,
  type LocatedWeights,
  locateLayers,
  placesOfTensor,
  readWeights,
  weightsAt,
} from './map/locate.ts';
export { type MapModel, type MapModelOptions, openMapModel } from './map/map-weights.ts';
export { MemoryTileStore } from './map/memory-tile-store.ts';
export type { RegionQuery } from './map/region-index.ts';
export { type RenderMapOptions, renderMap } from './map/render-map.ts';
export { type SavedDifference, saveDifference } from './map/save-difference.ts';
export type { MapMount, MapOverlay, MapRegion, MountedRegion, TileStore } from './map/tile-store.ts';
export { encodeImage, type Image } from './png/encode-image.ts';
export type { LineDamage } from './png/picture.ts';
export { openPixelFs, type PixelFile, type PixelFileInfo, verifyPixelFs } from './png/pixelfs.ts';
export { type WritePixelFsOptions, type WrittenPixelFs, writePixelFs } from './png/pixelfs-writer.ts';
export { type BuildOptions, buildProgram } from './program/build-program.ts';
export type { Program } from './program/program.ts';
export { type ConvertToGgufOptions, convertToGguf } from './pxi/convert/convert-to-gguf.ts';
export {
  type ConvertedPictures,
  type ConvertToPictureOptions,
  convertToPictures,
} from './pxi/convert/convert-to-picture.ts';
export type { ModelContent } from './pxi/convert/model-content.ts';
export { type RequantizedModel, requantizableTypes, requantizeContent } from './pxi/convert/requantized-content.ts';
export { type MadeModel, makeModel } from './pxi/make-model/make-model.ts';
export { type ModelFormat, type OpenModelOptions, openContent, openWeights } from './pxi/open-weights.ts';
export { type OpenPictureSetOptions, openPictureSet, type PictureSet } from './pxi/picture-set.ts';
export { readRows } from './pxi/read-rows.ts';
export type { CreateStreamHasher, StreamHasher } from './pxi/stream-hasher.ts';
export { type VerifyReport, verifyModelFile } from './pxi/verify-file.ts';
export type { ModelFinding, VerifyModelOptions } from './pxi/verify-model.ts';
export type { ChangedRows, ChangeSummary, WeightChange } from './pxi/view/compare-tensor.ts';
export {
  type DiffOptions,
  type DiffSide,
  diffModels,
  type LayerDiff,
  type ModelDiff,
  type TensorDiff,
} from './pxi/view/diff.ts';
export { inspectModel, type LayerReport, type ModelReport, type TensorReport } from './pxi/view/inspect.ts';
export { type RenderOptions, renderModel, renderTensor } from './pxi/view/render.ts';
export { renderDiff } from './pxi/view/render-diff.ts';
export type { RowRange, WeightHead, WeightSource } from './pxi/weight-source.ts';
export {
  type ChatMessage,
  type ChatRenderOptions,
  type ChatTemplate,
  createChatTemplate,
} from './tokenizer/chat-template.ts';
export type { Detokenizer, DetokenizerOptions } from './tokenizer/detokenizer.ts';
export { createTokenizer, type EncodeOptions, type Tokenizer } from './tokenizer/tokenizer.ts';
export { writeTrainedModel } from './train/checkpoint.ts';
export { newToyMlp } from './train/new-model.ts';
export { type TokenizerTrainingOptions, trainTokenizer } from './train/tokenizer-training.ts';
export { type TrainOnSequencesOptions, trainOnSequences } from './train/train-on-sequences.ts';
export type { TrainingSequence } from './train/training-data.ts';
