/** Whether an adapter belongs to a model, before anything is computed with the two. */
import type { ReadOptions } from '../core/byte-source.ts';
import { PixelError } from '../core/errors.ts';
import { buildProgram } from '../program/build-program.ts';
import { type Adapter, readAdapter } from '../pxi/adapter.ts';
import type { WeightSource } from '../pxi/weight-source.ts';
import { readModelIdentity } from './model-identity.ts';

/** Reads the adapter's head and the first row of each of the model's weights. Throws as readAdapter, `other-model`. */
export async function checkAdapterBase(
  base: WeightSource,
  source: WeightSource,
  options: ReadOptions = {},
): Promise<Adapter> {
  const adapter = readAdapter(source, base.head);
  if (adapter.base) {
    const sha256 = await readModelIdentity(base, buildProgram(base.head), options);
    if (sha256 !== adapter.base.sha256) throw otherBase(source.name, adapter.base.name, base.name);
  }
  return adapter;
}

export function otherBase(adapter: string, made: string, base: string): PixelError {
  return new PixelError(
    'other-model',
    `${adapter} was made for the model "${made}" with other weights than ${base} has: use it with that one.`,
  );
}
