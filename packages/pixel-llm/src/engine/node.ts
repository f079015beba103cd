/** The Node side of loading: models by their path, and how much memory the system has left. */
import { totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import { throwIfAborted } from '../core/errors.ts';
import '../backends/wasm/node.ts';
import '../backends/webgpu/node.ts';
import { openWeightsFile } from '../pxi/node.ts';
import { type LoadModelOptions, loadModel as loadModelAnywhere, type ModelSource } from './load-model.ts';
import type { Model } from './model.ts';

/**
 * Loads a model from a path (a .pxi.png or .gguf; any file of a set names it), a URL (also as text, if http or https), a Blob,
 * a ByteSource or a WeightSource.
 * Throws as engine/load-model.ts says, and `file-not-found`, `missing-part`, `io`.
 */
export async function loadModel(source: ModelSource | string, options: LoadModelOptions = {}): Promise<Model> {
  const withMemory = { availableMemory, ...options };
  const path = source instanceof URL && source.protocol === 'file:' ? fileURLToPath(source) : source;
  if (typeof path !== 'string') return loadModelAnywhere(path, withMemory);
  throwIfAborted(options.signal);
  const weights = await openWeightsFile(path, { signal: options.signal });
  try {
    return await loadModelAnywhere(weights, { reopen: () => openWeightsFile(path), ...withMemory });
  } finally {
    await weights.dispose();
  }
}

/** What the process may still take. macOS counts memory that it would hand over as taken, so there the machine's size is the bound. */
export function availableMemory(): number {
  return process.platform === 'darwin' ? totalmem() : process.availableMemory();
}
