/** Small models in memory for tests that look at weights: tensors of known float values, or what `make-model` makes. */
import { MemoryByteSink } from '../src/core/byte-sink.ts';
import { MemoryByteSource } from '../src/core/byte-source.ts';
import type { Metadata, TensorInfo } from '../src/gguf/head.ts';
import { tensorTypeByName } from '../src/gguf/tensor-types.ts';
import { encodeGgufHead } from '../src/gguf/writer.ts';
import { type MadeModel, makeModel } from '../src/pxi/make-model/make-model.ts';
import { openWeights } from '../src/pxi/open-weights.ts';
import type { WeightSource } from '../src/pxi/weight-source.ts';

export interface FloatTensor {
  readonly name: string;
  readonly columns: number;
  readonly rows: number;
  readonly value: (row: number, column: number) => number;
  /** What the file says the four bytes of a weight are. */
  readonly type?: 'F32' | 'I32';
}

/** A GGUF in memory whose tensors hold these values. */
export function floatSource(tensors: readonly FloatTensor[], metadata: Metadata = new Map()): Promise<WeightSource> {
  const infos = tensors.map(({ name, columns, rows, type: typeName = 'F32' }): TensorInfo => {
    const type = tensorTypeByName(typeName);
    if (!type) throw new Error(`${typeName} is missing from the table of types`);
    return { name, type, dimensions: rows === 1 ? [columns] : [columns, rows], byteLength: columns * rows * 4 };
  });
  const head = encodeGgufHead({ metadata, tensors: infos });
  const file = new Uint8Array(head.fileBytes);
  file.set(head.bytes);
  const view = new DataView(file.buffer);
  tensors.forEach(({ columns, rows, value }, index) => {
    const offset = head.tensors[index]?.offset ?? 0;
    for (let i = 0; i < rows * columns; i++) {
      view.setFloat32(offset + i * 4, value(Math.floor(i / columns), i % columns), true);
    }
  });
  return openWeights(new MemoryByteSource(file));
}

/** The bytes of a made model. */
export async function madeBytes(model: MadeModel): Promise<Uint8Array<ArrayBuffer>> {
  const sink = new MemoryByteSink();
  await makeModel(model, sink);
  return sink.result();
}
