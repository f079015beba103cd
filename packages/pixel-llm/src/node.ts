/** The public entry for Node: what index.ts has, with files; `loadModel` here takes a path too. Importing it installs native hashes. */

export { type CpuTrainingOptions, loadCpuTraining } from './backends/wasm/training/training-executor.ts';
export { openFileByteSink, openFileByteSource } from './core/node.ts';
export { loadModel } from './engine/node.ts';
export * from './index.ts';
export {
  createMapFile,
  type MapAddress,
  mapAddress,
  mountPath,
  type OpenMapOptions,
  openMap,
  openModelContent,
  openModelWeights,
  parseMapAddress,
} from './map/node.ts';
export { createWorkerHasher, openContentFile, openPictureSetFile, openWeightsFile } from './pxi/node.ts';
