/**
 * Makes a model of random weights in the exact shape of a real one, as a GGUF file: to measure with, to test with, to look at.
 * It says nothing sensible, but everything that works on the real model works on it. Constant memory; the same shape, type and
 * seed give the same bytes.
 */
import type { ByteSink } from '../../core/byte-sink.ts';
import { PixelError, throwIfAborted } from '../../core/errors.ts';
import type { WorkOptions } from '../../core/progress.ts';
import { columnsOf, type Metadata, type MetadataValue, rowsOf, type TensorInfo } from '../../gguf/head.ts';
import { type TensorType, tensorTypeByName } from '../../gguf/tensor-types.ts';
import { encodeGgufHead } from '../../gguf/writer.ts';
import { vocabularyMetadata } from './make-model-vocabulary.ts';
import { randomRows, tensorSeed, type WeightSpread } from './make-model-weights.ts';
import { MODEL_SHAPES, type ModelShape, ropeFrequencyFactors, type ShapeName, shapedTensors } from './shapes.ts';

/** The types a whole model can be made in, with the number that GGUF's general.file_type gives such files. */
const FILE_TYPES = { F32: 0, F16: 1, BF16: 32, Q8_0: 7, Q4_0: 2, Q4_K: 14, Q6_K: 18 } as const;

export type MadeType = keyof typeof FILE_TYPES;

export const MADE_TYPES: readonly MadeType[] = Object.keys(FILE_TYPES) as MadeType[];
export const SHAPE_NAMES: readonly ShapeName[] = Object.keys(MODEL_SHAPES) as ShapeName[];

export interface MadeModel {
  readonly shape: ShapeName;
  readonly type: MadeType;
  /** A whole number of 32 bits. */
  readonly seed: number;
}

/** Bytes of weights made at once. */
const PIECE_BYTES = 1 << 22;

/** Writes the model and commits the sink; on failure the sink is aborted. Throws `aborted`, `io`. */
export async function makeModel(
  model: MadeModel,
  sink: ByteSink,
  { signal, onProgress }: WorkOptions = {},
): Promise<void> {
  const shape = MODEL_SHAPES[model.shape];
  const head = encodeGgufHead(madeHead(model));
  try {
    await sink.write([head.bytes]);
    let written = head.bytes.length;
    for (const tensor of head.tensors) {
      await sink.write([new Uint8Array(tensor.offset - written)]);
      written = tensor.offset;
      for (const piece of tensorPieces(shape, tensor, model.seed)) {
        throwIfAborted(signal);
        await sink.write([piece]);
        written += piece.length;
        onProgress?.({ phase: 'making', done: written, total: head.fileBytes, unit: 'bytes' });
      }
    }
    await sink.write([new Uint8Array(head.fileBytes - written)]);
    await sink.commit();
  } catch (error) {
    await sink.abort();
    throw error;
  }
}

/** What the model's file will say before its weights. */
export function madeHead(model: MadeModel): { metadata: Metadata; tensors: readonly TensorInfo[] } {
  return { metadata: madeMetadata(model), tensors: madeTensors(MODEL_SHAPES[model.shape], model.type) };
}

/** The tensors of a shape, stored as files of that type store them. */
export function madeTensors(shape: ModelShape, type: MadeType): TensorInfo[] {
  return shapedTensors(shape).map(({ name, dimensions }) => {
    const stored = storedType(name, dimensions, type, shape.tied);
    const weights = dimensions.reduce((product, size) => product * size, 1);
    return { name, dimensions, type: stored, byteLength: (weights / stored.blockElements) * stored.blockBytes };
  });
}

/**
 * As llama.cpp's quantizing tool does it: vectors stay F32; the matrix that makes the logits is Q6_K in 4-bit files; where a row
 * is no whole number of 256, K types give way to Q5_0 and Q8_0.
 */
function storedType(name: string, dimensions: readonly number[], type: MadeType, tied: boolean): TensorType {
  const columns = dimensions[0] ?? 1;
  if (dimensions.length < 2) return typeNamed('F32');
  const isOutput = name === (tied ? 'token_embd.weight' : 'output.weight');
  const wanted = isOutput && (type === 'Q4_0' || type === 'Q4_K') ? 'Q6_K' : type;
  if (columns % 256 === 0) return typeNamed(wanted);
  if (wanted === 'Q4_K') return typeNamed('Q5_0');
  return typeNamed(wanted === 'Q6_K' ? 'Q8_0' : wanted);
}

function typeNamed(name: string): TensorType {
  const type = tensorTypeByName(name);
  if (!type) throw new PixelError('unsupported-type', `There is no tensor type "${name}".`);
  return type;
}

/** A tensor's bytes, a few rows at a time. */
function* tensorPieces(shape: ModelShape, tensor: TensorInfo, seed: number): Generator<Uint8Array> {
  if (tensor.name === 'rope_freqs.weight') {
    yield new Uint8Array(ropeFrequencyFactors(shape).buffer);
    return;
  }
  const rows = rowsOf(tensor);
  const own = tensorSeed(seed, tensor.name, columnsOf(tensor));
  const step = Math.max(1, Math.floor(PIECE_BYTES / (tensor.byteLength / rows)));
  for (let row = 0; row < rows; row += step) {
    yield randomRows(tensor.type, own, spreadOf(tensor), row, Math.min(step, rows - row));
  }
}

/** Scales that keep activations near 1: norms near 1, small biases, matrices that neither grow nor shrink what passes. */
function spreadOf(tensor: TensorInfo): WeightSpread {
  if (tensor.name.endsWith('_norm.weight')) return { mean: 1, deviation: 0.1 };
  if (tensor.name.endsWith('.bias')) return { mean: 0, deviation: 0.1 };
  return { mean: 0, deviation: 1 / Math.sqrt(columnsOf(tensor)) };
}

function madeMetadata({ shape: name, type, seed }: MadeModel): Metadata {
  const shape: ModelShape = MODEL_SHAPES[name];
  const text = (value: string): MetadataValue => ({ type: 'string', value });
  const whole = (value: number): MetadataValue => ({ type: 'uint32', value });
  const float = (value: number): MetadataValue => ({ type: 'float32', value });
  const own = (key: string) => `${shape.architecture}.${key}`;
  return new Map<string, MetadataValue>([
    ['general.architecture', text(shape.architecture)],
    ['general.type', text('model')],
    ['general.name', text(`Random ${name} ${type}, seed ${seed}`)],
    ['general.description', text('Random weights made by pixel-llm make-model: a shape to measure and look at.')],
    [own('block_count'), whole(shape.layers)],
    [own('context_length'), whole(shape.context)],
    [own('embedding_length'), whole(shape.dim)],
    [own('feed_forward_length'), whole(shape.hidden)],
    [own('attention.head_count'), whole(shape.heads)],
    [own('attention.head_count_kv'), whole(shape.kvHeads)],
    [own('rope.freq_base'), float(shape.ropeFrequencyBase)],
    [own('attention.layer_norm_rms_epsilon'), float(shape.epsilon)],
    [own('rope.dimension_count'), whole(shape.dim / shape.heads)],
    [own('vocab_size'), whole(shape.vocabulary)],
    ['general.file_type', whole(FILE_TYPES[type])],
    ['general.quantization_version', whole(2)],
    ...vocabularyMetadata(shape),
  ]);
}
