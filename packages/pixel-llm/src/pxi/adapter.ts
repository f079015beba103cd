/**
 * Low-rank adapters (LoRA, arXiv 2106.09685): a weight W [rows, columns] is used as W + (alpha / rank) B A, with A [rank, columns] and B [rows, rank].
 * An adapter is a model file of its own, in the form llama.cpp has for them: `general.type` "adapter", `adapter.type` "lora",
 * `adapter.lora.alpha`, and for each adapted weight the tensors NAME.lora_a and NAME.lora_b.
 */
import { PixelError } from '../core/errors.ts';
import { type MetadataValue, metadataNumber, metadataString, type TensorInfo } from '../gguf/head.ts';
import type { WeightHead, WeightSource } from './weight-source.ts';

const A = '.lora_a';
const B = '.lora_b';
/** Which model it was made for, as modelIdentity tells it. */
const BASE_KEY = 'pixel_llm.adapter.base_sha256';
const BASE_NAME_KEY = 'pixel_llm.adapter.base_name';

/** How one weight is adapted. */
export interface AdaptedWeight {
  /** Its name in the base. */
  readonly weight: string;
  /** [rank, columns] and [rows, rank]. */
  readonly a: TensorInfo;
  readonly b: TensorInfo;
  readonly rank: number;
  /** alpha / rank: what B A x is multiplied by. */
  readonly scale: number;
}

export interface Adapter {
  readonly weights: ReadonlyMap<string, AdaptedWeight>;
  /** Undefined for adapters of other programs, which do not say. */
  readonly base: { readonly name: string; readonly sha256: string } | undefined;
}

/** The metadata of an adapter of a base with this architecture. */
export function adapterMetadata(
  architecture: string,
  { name, alpha, base }: { name: string; alpha: number; base: NonNullable<Adapter['base']> },
): Map<string, MetadataValue> {
  const text = (value: string): MetadataValue => ({ type: 'string', value });
  return new Map([
    ['general.architecture', text(architecture)],
    ['general.type', text('adapter')],
    ['general.name', text(name)],
    ['adapter.type', text('lora')],
    ['adapter.lora.alpha', { type: 'float32', value: alpha }],
    [BASE_NAME_KEY, text(base.name)],
    [BASE_KEY, text(base.sha256)],
  ]);
}

export function adapterTensorNames(weight: string): { readonly a: string; readonly b: string } {
  return { a: weight + A, b: weight + B };
}

export function isAdapterTensor(name: string): boolean {
  return name.endsWith(A) || name.endsWith(B);
}

export interface AdapterSummary {
  /** Such as `lora`. */
  readonly type: string;
  readonly alpha: number | undefined;
  readonly weights: number;
  /** Name of the model it was made for, where it says. */
  readonly base: string | undefined;
}

export function isAdapterHead({ metadata }: WeightHead): boolean {
  return metadataString(metadata, 'general.type') === 'adapter';
}

/** What an adapter says of itself, unchecked. */
export function summarizeAdapter({ metadata, tensors }: WeightHead): AdapterSummary {
  return {
    type: metadataString(metadata, 'adapter.type') ?? 'unknown',
    alpha: metadataNumber(metadata, 'adapter.lora.alpha'),
    weights: [...tensors.keys()].filter((name) => name.endsWith(A)).length,
    base: metadataString(metadata, BASE_NAME_KEY),
  };
}

/** Reads what an adapter says of itself, and holds it to the base. Throws `unknown-format` for what is none, `bad-metadata`, `other-model`. */
export function readAdapter({ name, head }: Pick<WeightSource, 'name' | 'head'>, base: WeightHead): Adapter {
  if (!isAdapterHead(head) || metadataString(head.metadata, 'adapter.type') !== 'lora') {
    throw new PixelError('unknown-format', `${name} is no LoRA adapter.`);
  }
  const alpha = metadataNumber(head.metadata, 'adapter.lora.alpha');
  if (alpha === undefined || !(alpha > 0) || !Number.isFinite(alpha)) {
    throw new PixelError('bad-metadata', `${name} has no adapter.lora.alpha above 0.`);
  }
  const weights = new Map<string, AdaptedWeight>();
  for (const a of head.tensors.values()) {
    if (!a.name.endsWith(A)) continue;
    const weight = a.name.slice(0, -A.length);
    weights.set(weight, adaptedWeight(name, weight, a, { head, base, alpha }));
  }
  const foreign = [...head.tensors.keys()].find((tensor) => {
    return !isAdapterTensor(tensor) || !weights.has(tensor.slice(0, -A.length));
  });
  if (foreign !== undefined)
    throw new PixelError('bad-metadata', `${name} has a tensor "${foreign}" without its pair.`);
  if (weights.size === 0) throw new PixelError('bad-metadata', `${name} adapts no weight.`);
  const sha256 = metadataString(head.metadata, BASE_KEY);
  const baseName = metadataString(head.metadata, BASE_NAME_KEY) ?? 'unnamed';
  return { weights, base: sha256 === undefined ? undefined : { name: baseName, sha256 } };
}

function adaptedWeight(
  name: string,
  weight: string,
  a: TensorInfo,
  { head, base, alpha }: { head: WeightHead; base: WeightHead; alpha: number },
): AdaptedWeight {
  const b = head.tensors.get(weight + B);
  const own = base.tensors.get(weight);
  const [columns = 0, rank = 0] = a.dimensions;
  const fits =
    b &&
    own &&
    rank > 0 &&
    b.dimensions[0] === rank &&
    own.dimensions[0] === columns &&
    own.dimensions[1] === b.dimensions[1];
  if (!fits) {
    const shape = (tensor: TensorInfo | undefined): string => tensor?.dimensions.join(' x ') ?? 'missing';
    throw new PixelError(
      'other-model',
      `${name} was made for another model: its "${weight}" is ${shape(a)} and ${shape(b)}, the model's is ${shape(own)}.`,
    );
  }
  return { weight, a, b, rank, scale: alpha / rank };
}

/** The base's tensors and the adapter's beside them. Disposing of it disposes of the base. */
export function withAdapterTensors(base: WeightSource, adapter: WeightSource): WeightSource {
  return {
    name: base.name,
    head: { metadata: base.head.metadata, tensors: new Map([...base.head.tensors, ...adapter.head.tensors]) },
    readPlane(tensor, plane, rows, target, options) {
      const source = adapter.head.tensors.has(tensor) ? adapter : base;
      return source.readPlane(tensor, plane, rows, target, options);
    },
    dispose: () => base.dispose(),
  };
}
