/**
 * A model in the middle of its training, as a picture of kind `checkpoint`: the model itself (anybody can run it), the optimizer's two
 * moments of each trained weight as tensors beside it, and how far the training has come. Going on from it gives the same bits as not stopping.
 */
import type { ByteSink } from '../core/byte-sink.ts';
import { PixelError } from '../core/errors.ts';
import type { WorkOptions } from '../core/progress.ts';
import {
  type Metadata,
  type MetadataValue,
  metadataNumber,
  metadataString,
  rowsOf,
  type TensorInfo,
} from '../gguf/head.ts';
import { tensorTypeByName } from '../gguf/tensor-types.ts';
import { isAdapterHead } from '../pxi/adapter.ts';
import { convertToPictures } from '../pxi/convert/convert-to-picture.ts';
import { type RewrittenTensor, rewriteContent } from '../pxi/convert/rewritten-content.ts';
import type { ModelKind } from '../pxi/manifest.ts';
import { readBlocks } from '../pxi/read-blocks.ts';
import { readRows } from '../pxi/read-rows.ts';
import type { WeightSource } from '../pxi/weight-source.ts';
import type { Moments } from './adamw.ts';
import type { TrainerState } from './trainer.ts';

const STEP_KEY = 'pixel_llm.training.step';
const RECIPE_KEY = 'pixel_llm.training.recipe';
const MEAN = 'optimizer.mean.';
const SQUARE = 'optimizer.square.';

export interface Checkpoint {
  readonly state: TrainerState;
  /** What the training was told, as JSON. */
  readonly recipe: string;
}

type OpenSink = (index: number, count: number) => Promise<ByteSink>;

/** Writes a checkpoint: `base`'s metadata and tensors, those that learn with their new values. Throws as convertToPictures. */
export async function writeCheckpoint(
  base: WeightSource,
  { state, recipe }: Checkpoint,
  openSink: OpenSink,
  options: WorkOptions = {},
): Promise<void> {
  const metadata = new Map<string, MetadataValue>([
    ...base.head.metadata,
    [STEP_KEY, { type: 'uint32', value: state.step }],
    [RECIPE_KEY, { type: 'string', value: recipe }],
  ]);
  const tensors = [...modelTensors(base, state.weights)];
  for (const [name, { mean, square }] of state.moments) {
    const dimensions = base.head.tensors.get(name)?.dimensions ?? [mean.length];
    tensors.push(valueTensor(MEAN + name, dimensions, mean), valueTensor(SQUARE + name, dimensions, square));
  }
  await write('checkpoint', base.name, metadata, tensors, openSink, options);
}

/** Writes the model (or adapter) alone, as anybody has it: no trace of its training but the weights. */
export async function writeTrainedModel(
  base: WeightSource,
  weights: TrainerState['weights'],
  openSink: OpenSink,
  options: WorkOptions = {},
): Promise<void> {
  const metadata = new Map([...base.head.metadata].filter(([key]) => key !== STEP_KEY && key !== RECIPE_KEY));
  await write(
    isAdapterHead(base.head) ? 'adapter' : 'model',
    base.name,
    metadata,
    modelTensors(base, weights),
    openSink,
    options,
  );
}

/** Reads what writeCheckpoint wrote. Throws `unknown-format` for a model that is none, `unknown-tensor` for one that lacks a moment, `bad-metadata`. */
export async function readCheckpoint(source: WeightSource, options: WorkOptions = {}): Promise<Checkpoint> {
  const step = metadataNumber(source.head.metadata, STEP_KEY);
  const recipe = metadataString(source.head.metadata, RECIPE_KEY);
  if (step === undefined || recipe === undefined) {
    throw new PixelError('unknown-format', `${source.name} is no checkpoint of a training.`);
  }
  const weights = new Map<string, Float32Array<ArrayBuffer>>();
  const moments = new Map<string, Moments>();
  for (const tensor of source.head.tensors.keys()) {
    if (!tensor.startsWith(MEAN)) continue;
    const name = tensor.slice(MEAN.length);
    weights.set(name, await readValues(source, name, options));
    moments.set(name, {
      mean: await readValues(source, tensor, options),
      square: await readValues(source, SQUARE + name, options),
    });
  }
  return { state: { step, weights, moments }, recipe };
}

/** What is trained, without the optimizer's memory. Disposing of it disposes of the checkpoint. */
export function modelOfCheckpoint(source: WeightSource): WeightSource {
  const tensors = new Map([...source.head.tensors].filter(([name]) => !isMoment(name)));
  return {
    name: source.name,
    head: { metadata: source.head.metadata, tensors },
    readPlane: (tensor, plane, rows, target, options) => source.readPlane(tensor, plane, rows, target, options),
    dispose: () => source.dispose(),
  };
}

function isMoment(tensor: string): boolean {
  return tensor.startsWith(MEAN) || tensor.startsWith(SQUARE);
}

/** All of a tensor as f32. Throws `unknown-tensor`, `unsupported-type`, and what reading throws. */
export async function readValues(
  source: WeightSource,
  name: string,
  options: WorkOptions = {},
): Promise<Float32Array<ArrayBuffer>> {
  const tensor = source.head.tensors.get(name);
  if (!tensor) throw new PixelError('unknown-tensor', `${source.name} has no tensor "${name}".`);
  return readRows(source, name, { start: 0, end: rowsOf(tensor) }, options);
}

/** The model's own tensors; those with new values become F32. */
function modelTensors(base: WeightSource, weights: TrainerState['weights']): RewrittenTensor[] {
  const own = [...base.head.tensors.values()].filter(({ name }) => !isMoment(name));
  return own.map((tensor) => {
    const values = weights.get(tensor.name);
    return values ? valueTensor(tensor.name, tensor.dimensions, values) : keptTensor(base, tensor);
  });
}

function valueTensor(name: string, dimensions: readonly number[], values: Float32Array<ArrayBuffer>): RewrittenTensor {
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return {
    tensor: { name, type: tensorTypeByName('F32')!, dimensions, byteLength: values.byteLength },
    async read(firstBlock, target) {
      target.set(bytes.subarray(4 * firstBlock, 4 * firstBlock + target.length));
    },
  };
}

/** As it is in the base; its blocks are few enough to be read at once. */
function keptTensor(base: WeightSource, tensor: TensorInfo): RewrittenTensor {
  let blocks: Promise<Uint8Array> | undefined;
  return {
    tensor,
    async read(firstBlock, target, options) {
      blocks ??= readBlocks(base, tensor.name, { start: 0, end: rowsOf(tensor) }, options);
      const start = firstBlock * tensor.type.blockBytes;
      target.set((await blocks).subarray(start, start + target.length));
    },
  };
}

async function write(
  kind: ModelKind,
  name: string,
  metadata: Metadata,
  tensors: readonly RewrittenTensor[],
  openSink: OpenSink,
  options: WorkOptions,
): Promise<void> {
  const content = rewriteContent(name, metadata, tensors, async () => {});
  await convertToPictures({ ...content, kind }, openSink, options);
}
