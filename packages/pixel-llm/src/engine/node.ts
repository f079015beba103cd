/** The Node side of loading: models by their path, and how much memory the system has left. */
import { totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import { throwIfAborted } from '../core/errors.ts';
import '../backends/wasm/node.ts';
import '../backends/webgpu/node.ts';
import { openModelWeights } from '../map/node.ts';
import { openWeightsFile } from '../pxi/node.ts';
import { type LoadModelOptions, loadModel as loadModelAnywhere, type ModelSource } from './load-model.ts';
import type { Model } from './model.ts';

export interface LoadFileOptions extends Omit<LoadModelOptions, 'adapter'> {
  /** A LoRA adapter of the model: a path, or as any model is given. */
  adapter?: ModelSource | string | undefined;
}

/**
 * Loads a model from a path (a .pxi.png or .gguf; any file of a set names it), a URL (also as text, if http or https), a Blob,
 * a ByteSource or a WeightSource.
 * Throws as engine/load-model.ts says, and `file-not-found`, `missing-part`, `io`.
 */
export async function loadModel(source: ModelSource | string, options: LoadFileOptions = {}): Promise<Model> {
  const { adapter } = options;
  if (typeof adapter === 'string') {
    const opened = await openWeightsFile(adapter, { signal: options.signal });
    try {
      return await loadModel(source, { ...options, adapter: opened });
    } finally {
      await opened.dispose();
    }
  }
  const path = source instanceof URL && source.protocol === 'file:' ? fileURLToPath(source) : source;
  const withMemory: LoadModelOptions = { availableMemory, ...options, adapter };
  if (typeof path !== 'string') return loadModelAnywhere(path, withMemory);
  throwIfAborted(options.signal);
  const weights = await openModelWeights(path, { signal: options.signal });
  try {
    return await loadModelAnywhere(weights, { reopen: () => openModelWeights(path), ...withMemory });
  } finally {
    await weights.dispose();
  }
}

/** What the process may still take. macOS counts memory that it would hand over as taken, so there the machine's size is the bound. */
export function availableMemory(): number {
  return process.platform === 'darwin' ? totalmem() : process.availableMemory();
}
