/** Models of random weights for benchmarks, made once, in .cache/. */
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { openFileByteSink } from '../packages/pixel-llm/src/core/node.ts';
import { type MadeType, makeModel } from '../packages/pixel-llm/src/pxi/make-model/make-model.ts';
import type { ShapeName } from '../packages/pixel-llm/src/pxi/make-model/shapes.ts';

/** The path of that model as a GGUF. */
export async function cachedModel(shape: string, type: string): Promise<string> {
  const folder = join(import.meta.dirname, '..', '.cache');
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `${shape}-${type}.gguf`);
  if (existsSync(path)) return path;
  const request = { shape: shape as ShapeName, type: type as MadeType, seed: 0 };
  await makeModel(request, await openFileByteSink(path, { sync: false }), {});
  return path;
}
