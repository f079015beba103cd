/** A model in memory as a WeightSource: what training starts from, and what it hands on. All tensors are F32. */
import { PixelError } from '../core/errors.ts';
import type { Metadata, TensorInfo } from '../gguf/head.ts';
import { tensorTypeByName } from '../gguf/tensor-types.ts';
import { checkRows, findTensor } from './read-blocks.ts';
import type { WeightSource } from './weight-source.ts';

export interface MemoryTensor {
  /** Fastest dimension first, as GGUF has it. */
  readonly dimensions: readonly number[];
  readonly values: Float32Array<ArrayBuffer>;
}

/** The tensors are not copied: what changes them changes what is read. Throws `bad-argument` for a length that does not fit. */
export function memoryWeights(
  name: string,
  metadata: Metadata,
  tensors: ReadonlyMap<string, MemoryTensor>,
): WeightSource {
  const type = tensorTypeByName('F32')!;
  const infos = new Map<string, TensorInfo>();
  for (const [tensor, { dimensions, values }] of tensors) {
    const length = dimensions.reduce((product, size) => product * size, 1);
    if (length !== values.length) {
      throw new PixelError('bad-argument', `The tensor "${tensor}" has ${values.length} values, not ${length}.`);
    }
    infos.set(tensor, { name: tensor, type, dimensions: [...dimensions], byteLength: values.byteLength });
  }
  const source: WeightSource = {
    name,
    head: { metadata, tensors: infos },
    async readPlane(tensor, _plane, rows, target) {
      checkRows(name, findTensor(source, tensor), rows);
      const { dimensions, values } = tensors.get(tensor)!;
      const columns = dimensions[0] ?? 1;
      const part = values.subarray(rows.start * columns, rows.end * columns);
      target.set(new Uint8Array(part.buffer, part.byteOffset, part.byteLength));
    },
    async dispose() {},
  };
  return source;
}
