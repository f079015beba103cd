/** What a map keeps of the pictures mounted on it, and how they are known again. */
import * as z from 'zod';
import type { ReadOptions } from '../core/byte-source.ts';
import { createSha256 } from '../core/hashing.ts';
import { LIMITS } from '../core/limits.ts';
import { sha256Schema } from '../png/manifest.ts';
import type { Picture } from '../png/picture.ts';
import type { MapMount } from './tile-store.ts';

export const mountSchema: z.ZodType<MapMount> = z.object({
  path: z.string().min(1).max(LIMITS.mapPathCharacters),
  sha256: sha256Schema,
  lines: z.array(z.int().min(1)).min(1).max(LIMITS.setFiles),
});

/**
 * SHA-256 over the sizes and manifests of a picture, or of a set of them: cheap for a model of any size, and another one for any other
 * model, since a manifest holds the hashes of what its pictures hold. What happens to the pixels later is for `verify` to find.
 */
export async function picturesHash(pictures: readonly Picture[], options?: ReadOptions): Promise<string> {
  const hash = createSha256();
  for (const picture of pictures) {
    const { width, height, superblock } = picture;
    const { offset, byteLength } = superblock.manifest;
    const manifest = new Uint8Array(byteLength);
    await picture.readPixels(offset, [manifest], options);
    hash.update(new TextEncoder().encode(`${superblock.kind} ${width} ${height} ${byteLength}\n`));
    hash.update(manifest);
  }
  return hash.digestHex();
}

/** "models/pixie.pxi.png" -> "pixie" */
export function nameOf(path: string): string {
  const file = path.split(/[\\/]/).pop() ?? path;
  return file.replace(/(-\d{5}-of-\d{5})?(\.pxi)?\.png$/i, '') || file;
}
