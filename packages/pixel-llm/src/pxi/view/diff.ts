/**
 * What changed between two models of one shape, as plain JSON data: by layer and by tensor. Works on any two WeightSources,
 * however either is stored, in memory that does not grow with the model. `pixel-llm diff` prints it; render-diff.ts draws it.
 */
import { PixelError } from '../../core/errors.ts';
import type { WorkOptions } from '../../core/progress.ts';
import { metadataString, type TensorInfo } from '../../gguf/head.ts';
import { isKnownType } from '../../gguf/tensor-types.ts';
import { groupLayers, type LayerRole } from '../layers.ts';
import type { WeightSource } from '../weight-source.ts';
import { type ChangedRows, type ChangeSummary, compareTensor, sumChanges } from './compare-tensor.ts';
import { type TypeShare, typeMix } from './inspect-mix.ts';

export interface TensorDiff extends ChangeSummary {
  readonly name: string;
  /** The type it is stored in, in A and in B. */
  readonly types: readonly [a: string, b: string];
}

export interface LayerDiff extends ChangeSummary {
  /** As `inspect` names layers: `embedding`, `layer.0`, ..., `output`, `other`. */
  readonly id: string;
  readonly role: LayerRole;
  readonly tensors: readonly TensorDiff[];
}

/** One of the two models. */
export interface DiffSide {
  readonly source: string;
  readonly name: string | undefined;
  readonly types: readonly TypeShare[];
}

/** The change from A to B, of the whole model and of each layer. */
export interface ModelDiff extends ChangeSummary {
  readonly a: DiffSide;
  readonly b: DiffSide;
  readonly layers: readonly LayerDiff[];
}

export interface DiffOptions extends WorkOptions {
  /** Called with each piece of rows that are not stored alike, in the order of the layers: for drawing them in the same pass. */
  onChanges?: ((rows: ChangedRows) => void) | undefined;
}

/**
 * Compares all weights of two models by their float32 values: their types may differ, their tensors and shapes may not.
 * Throws `other-model` with the first tensor that only one has or that has another shape, `unsupported-type` for a tensor that
 * differs and cannot be computed with, `aborted`, and what the sources throw.
 */
export async function diffModels(
  a: WeightSource,
  b: WeightSource,
  { signal, onProgress, onChanges }: DiffOptions = {},
): Promise<ModelDiff> {
  checkSameShapes(a, b);
  const bytesOf = (name: string) => byteLength(a, name) + byteLength(b, name);
  const total = [...a.head.tensors.keys()].reduce((sum, name) => sum + bytesOf(name), 0);
  let done = 0;
  const layers: LayerDiff[] = [];
  for (const { id, role, tensors: names } of groupLayers(a.head.tensors.values())) {
    const tensors: TensorDiff[] = [];
    for (const name of names) {
      const onRead = (share: number) => {
        done += share * bytesOf(name);
        onProgress?.({ phase: 'comparing', done, total, unit: 'bytes' });
      };
      const summary = await compareTensor(a, b, name, { signal, onRead, onChanges });
      tensors.push({ name, types: [typeName(a, name), typeName(b, name)], ...summary });
    }
    layers.push({ id, role, ...sumChanges(tensors), tensors });
  }
  return { a: sideOf(a), b: sideOf(b), ...sumChanges(layers), layers };
}

/** In A's order, then what only B has. */
function checkSameShapes(a: WeightSource, b: WeightSource): void {
  for (const tensor of a.head.tensors.values()) {
    const other = b.head.tensors.get(tensor.name);
    if (!other) throw otherModel(tensor.name, `${b.name} has no such tensor`);
    if (shapeOf(tensor) !== shapeOf(other))
      throw otherModel(tensor.name, `it is ${shapeOf(tensor)} in ${a.name} and ${shapeOf(other)} in ${b.name}`);
  }
  for (const name of b.head.tensors.keys()) {
    if (!a.head.tensors.has(name)) throw otherModel(name, `${a.name} has no such tensor`);
  }
}

function otherModel(tensor: string, difference: string): PixelError {
  const message = `The models are not of one shape; the first tensor that differs is "${tensor}": ${difference}.`;
  return new PixelError('other-model', message, { details: { tensor } });
}

/** Rows first, as a person counts; of a type nobody here knows, its bytes. */
function shapeOf({ type, dimensions, byteLength: bytes }: TensorInfo): string {
  return isKnownType(type)
    ? dimensions.toReversed().join(' x ') || 'a single weight'
    : `${bytes} bytes of ${type.name}`;
}

function byteLength(source: WeightSource, name: string): number {
  return source.head.tensors.get(name)?.byteLength ?? 0;
}

function typeName(source: WeightSource, name: string): string {
  return source.head.tensors.get(name)?.type.name ?? '';
}

function sideOf({ name, head: { metadata, tensors } }: WeightSource): DiffSide {
  return { source: name, name: metadataString(metadata, 'general.name'), types: typeMix(tensors.values()) };
}
