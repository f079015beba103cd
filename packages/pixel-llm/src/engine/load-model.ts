/**
 * From a source of bytes or weights to a Model: Program, tokenizer and memory are checked before any weight is read, and on any
 * failure nothing stays behind, neither open files nor half a model.
 */
import { selectBackend } from '../backends/select.ts';
import { type Backend, DEFAULT_PAGE_TOKENS, type DeviceName, type Executor, type KvType } from '../backends/types.ts';
import { BlobByteSource, type ByteSource } from '../core/byte-source.ts';
import { PixelError, type PixelErrorCode, throwIfAborted } from '../core/errors.ts';
import { openHttpByteSource } from '../core/http-byte-source.ts';
import type { WorkOptions } from '../core/progress.ts';
import { adaptProgram } from '../program/adapt-program.ts';
import { buildProgram } from '../program/build-program.ts';
import type { ActivationMode, Program } from '../program/program.ts';
import { isAdapterTensor, readAdapter, withAdapterTensors } from '../pxi/adapter.ts';
import { copyWeights } from '../pxi/copy-weights.ts';
import { openWeights } from '../pxi/open-weights.ts';
import type { WeightHead, WeightSource } from '../pxi/weight-source.ts';
import { createChatTemplate } from '../tokenizer/chat-template.ts';
import { createTokenizer } from '../tokenizer/tokenizer.ts';
import { otherBase } from './adapter-base.ts';
import { type AvailableMemory, checkMemory } from './memory.ts';
import { Model } from './model.ts';
import { modelIdentity, sampledWeights, WeightSamples } from './model-identity.ts';
import { RebuildingExecutor } from './rebuilding-executor.ts';
import { checkWhole } from './sampling-options.ts';

/** A GGUF or .pxi.png as bytes, or anything that gives weights. */
export type ModelSource = WeightSource | ByteSource | Blob | URL;

export interface LoadModelOptions extends WorkOptions {
  /** What to run on. Default `auto`: the fastest device of this machine. */
  device?: 'auto' | DeviceName | undefined;
  /** Threads to compute with. Default: the device's choice. `reference` always takes one. */
  threads?: number | undefined;
  /**
   * What the device `cpu` keeps keys and values in: `f16` (default), or `q8`, 8-bit integers with a scale for 32 dimensions: 0.56 of the
   * memory, a little less exact.
   */
  kvType?: KvType | undefined;
  /** A part of the name of the GPU adapter to run on, software adapters included. Default: the first real GPU. */
  gpuAdapter?: string | undefined;
  /**
   * What the device `gpu` multiplies weights with: `f32` (default), or `q8`, activations rounded to 8 bits, four products an instruction where the
   * GPU and the type of the weights have it: on some GPUs faster, on others slower, and less exact.
   */
  gpuActivations?: ActivationMode | undefined;
  /** Tokens that prompt and answer may have together. Default: the model's own limit, but at most 4096. */
  contextLength?: number | undefined;
  /** How many sequences of full length the KV cache holds at once; idle ones make room for busy ones. Default 1. */
  sequences?: number | undefined;
  /**
   * Opens the model once more when a GPU stopped working, so that generation goes on. Default: for a URL or a Blob, and in Node for a path, the
   * same way as the first time; otherwise not at all, and a lost GPU is a lost model.
   */
  reopen?: (() => Promise<WeightSource>) | undefined;
  /** A LoRA adapter of this model, as any ModelSource gives it. It stays the caller's as a WeightSource, else it is closed. */
  adapter?: ModelSource | undefined;
  /** Hears, a sentence each, of what goes on but not as well as it could: weights of a type that has no kernel; in a browser, what is tried again. */
  onNote?: ((sentence: string) => void) | undefined;
  /** How the memory this process may still take is found out. Default: in Node, by the system; in a browser, not. */
  availableMemory?: AvailableMemory | undefined;
}

/** A context that is cheap to hold; longer ones are asked for. */
const DEFAULT_CONTEXT = 4096;

/**
 * Loads a model onto a device. A WeightSource stays the caller's, who may dispose of it after loading; any other source is closed.
 * Throws `unknown-device`, `unknown-format`, `unknown-architecture`, `unknown-pre-tokenizer`, `bad-metadata`, `unsupported-type`,
 * `out-of-memory`, `truncated`, `damaged-picture`, `http`, `aborted`, `bad-argument`, and what the source throws.
 */
export async function loadModel(source: ModelSource, options: LoadModelOptions = {}): Promise<Model> {
  throwIfAborted(options.signal);
  if (isWeightSource(source)) return loadFromWeights(source, options);
  const weights = await openSource(source, options);
  const canReopen = source instanceof URL || source instanceof Blob;
  const reopen = canReopen ? () => openSource(source, {}) : undefined;
  try {
    return await loadFromWeights(weights, { reopen, ...options });
  } finally {
    await weights.dispose();
  }
}

/** What `auto` takes as a reason to try the processor: a GPU that is too small, gone, or whose driver refuses a kernel. */
const GPU_FAILURES: readonly PixelErrorCode[] = ['out-of-memory', 'unknown-device', 'device-lost', 'bad-program'];

async function loadFromWeights(weights: WeightSource, options: LoadModelOptions): Promise<Model> {
  const { device = 'auto', threads, kvType, gpuAdapter, gpuActivations, sequences = 1, onNote } = options;
  checkWhole('sequences', sequences, 1, 4096);
  const choices = { threads, kvType, gpuAdapter, gpuActivations, onNote };
  const backend = await selectBackend(device, choices);
  const adapter = options.adapter === undefined ? undefined : await readIntoMemory(options.adapter, options);
  try {
    return await loadOnto(backend, loadable(weights, adapter, backend), options);
  } catch (error) {
    const isChosen = device !== 'auto' || gpuAdapter !== undefined || backend.device !== 'gpu';
    if (isChosen || !(error instanceof PixelError) || !GPU_FAILURES.includes(error.code)) throw error;
    onNote?.(`The model runs on the processor, because the GPU failed: ${error.message}`);
    const processor = await selectBackend('cpu', choices);
    return await loadOnto(processor, loadable(weights, adapter, processor), options);
  }
}

/** An adapter is small, and needed again when a device is lost. */
async function readIntoMemory(adapter: ModelSource, { signal }: LoadModelOptions): Promise<WeightSource> {
  if (isWeightSource(adapter)) return await copyWeights(adapter, { signal });
  const opened = await openSource(adapter, { signal });
  try {
    return await copyWeights(opened, { signal });
  } finally {
    await opened.dispose();
  }
}

function loadable(base: WeightSource, adapter: WeightSource | undefined, { activations }: Backend): Loadable {
  const program = buildProgram(base.head, { activations });
  if (!adapter) return { weights: base, program, again: (opened) => opened, checkBase: () => {} };
  const read = readAdapter(adapter, base.head);
  return {
    weights: withAdapterTensors(base, adapter),
    program: adaptProgram(program, read.weights),
    again: (opened) => withAdapterTensors(opened, adapter),
    checkBase(samples) {
      if (!read.base || read.base.sha256 === modelIdentity(base.head, samples.without(isAdapterTensor))) return;
      throw otherBase(adapter.name, read.base.name, base.name);
    },
  };
}

/** What is loaded: a model, or a model with an adapter beside it. */
interface Loadable {
  readonly weights: WeightSource;
  readonly program: Program;
  /** The same with the model opened once more. */
  again(base: WeightSource): WeightSource;
  /** Throws `other-model` when the weights that were read are not those the adapter belongs to. */
  checkBase(samples: WeightSamples): void;
}

async function loadOnto(
  backend: Backend,
  { weights, program, again, checkBase }: Loadable,
  {
    contextLength,
    sequences = 1,
    reopen,
    onNote,
    availableMemory = () => undefined,
    signal,
    onProgress,
  }: LoadModelOptions,
): Promise<Model> {
  const { name, head } = weights;
  const context = chooseContext(program, contextLength);
  const pageTokens = DEFAULT_PAGE_TOKENS;
  const pages = { pageTokens, pageCount: Math.ceil(context / pageTokens) * sequences, sequences };
  const memoryBytes = checkMemory(name, program, backend, pages, availableMemory);
  const samples = new WeightSamples();
  const stopped = new AbortController();
  const stop = signal ? AbortSignal.any([signal, stopped.signal]) : stopped.signal;
  const loading = backend.load(program, sampledWeights(weights, samples), { ...pages, signal: stop, onProgress });
  try {
    // Made while the device's threads start.
    const tokenizer = createTokenizer(head.metadata);
    const chatTemplate = createChatTemplate(head.metadata);
    const loaded = await loading;
    checkBase(samples);
    const loadAnew = async (loss: PixelError): Promise<Executor> => {
      onNote?.(`${loss.message} Loading ${name} anew.`);
      return await reload(again(await reopen!()), (source) => backend.load(program, source, pages), {
        name,
        head,
        samples,
      });
    };
    const isRebuilt = reopen !== undefined && backend.device === 'gpu';
    const executor = isRebuilt ? new RebuildingExecutor(loaded, loadAnew) : loaded;
    return new Model({ name, head, tokenizer, chatTemplate, contextLength: context, executor, memoryBytes, samples });
  } catch (error) {
    stopped.abort();
    await loading.then(
      (executor) => executor.dispose(),
      () => undefined,
    );
    throw error;
  }
}

/** Loads from a source that was opened again, and is closed. Throws `other-model` when another model lies there now. */
async function reload(
  weights: WeightSource,
  load: (weights: WeightSource) => Promise<Executor>,
  first: { readonly name: string; readonly head: WeightHead; readonly samples: WeightSamples },
): Promise<Executor> {
  try {
    const samples = new WeightSamples();
    const executor = await load(sampledWeights(weights, samples));
    if (modelIdentity(weights.head, samples) === modelIdentity(first.head, first.samples)) return executor;
    await executor.dispose();
    throw new PixelError('other-model', `${first.name} is another model now than the one that was loaded.`);
  } finally {
    await weights.dispose();
  }
}

/** Opens what is not a WeightSource yet; the other files of a set on a server are asked for beside it. */
async function openSource(source: Exclude<ModelSource, WeightSource>, { signal }: WorkOptions): Promise<WeightSource> {
  if (source instanceof URL) {
    const open = (url: string | URL): Promise<ByteSource> => openHttpByteSource(url, { signal });
    return openWeights(await open(source), { openSibling: open, signal });
  }
  if (source instanceof Blob) return openWeights(new BlobByteSource(source), { signal });
  if (typeof source === 'object' && source !== null && 'read' in source && 'size' in source) {
    return openWeights(source, { signal });
  }
  throw new PixelError(
    'bad-argument',
    'A model is loaded from a URL, a Blob, a ByteSource or a WeightSource (in Node, also a path).',
  );
}

function isWeightSource(source: ModelSource): source is WeightSource {
  return typeof source === 'object' && source !== null && 'readPlane' in source;
}

function chooseContext(program: Program, wanted: number | undefined): number {
  if (wanted === undefined) return Math.min(program.contextLength, DEFAULT_CONTEXT);
  checkWhole('contextLength', wanted, 1);
  if (wanted > program.contextLength) {
    throw new PixelError(
      'bad-argument',
      `The model was made for a context of ${program.contextLength} tokens, so a context of ${wanted} is not possible.`,
    );
  }
  return wanted;
}
