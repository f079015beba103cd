/** Weights copied into memory, as they are stored: for what is small and must outlive its file. */
import type { ReadOptions } from '../core/byte-source.ts';

import { checkRows, findTensor } from './read-blocks.ts';
import { storedRows } from './stored-rows.ts';
import type { WeightSource } from './weight-source.ts';

/** Reads every tensor whole. Throws what reading throws. */
export async function copyWeights(source: WeightSource, options: ReadOptions): Promise<WeightSource> {
  const { name, head } = source;
  const planes = new Map<string, { readonly bytes: Uint8Array; readonly rowBytes: number }>();
  for (const tensor of head.tensors.values()) {
    const { rows, rowBlocks } = storedRows(tensor);
    for (const field of tensor.type.fields) {
      const rowBytes = rowBlocks * field.bytes;
      const bytes = new Uint8Array(rows * rowBytes);
      await source.readPlane(tensor.name, field.name, { start: 0, end: rows }, bytes, options);
      planes.set(`${tensor.name} ${field.name}`, { bytes, rowBytes });
    }
  }
  const copy: WeightSource = {
    name,
    head,
    async readPlane(tensor, plane, rows, target) {
      checkRows(name, findTensor(copy, tensor), rows);
      const { bytes, rowBytes } = planes.get(`${tensor} ${plane}`)!;
      target.set(bytes.subarray(rows.start * rowBytes, rows.end * rowBytes));
    },
    async dispose() {},
  };
  return copy;
}
