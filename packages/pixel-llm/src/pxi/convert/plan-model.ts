/**
 * What a conversion will write, before it writes: the plan of the pictures, and the manifest to be but for its hashes.
 */
import type { ReadOptions } from '../../core/byte-source.ts';
import { PixelError } from '../../core/errors.ts';
import { createSha256 } from '../../core/hashing.ts';
import { LIMITS } from '../../core/limits.ts';
import { encodeManifest } from '../../png/manifest.ts';
import { type FileRun, type PicturePlan, planPictures } from '../layout.ts';
import { checkPadding, describeModel, type StoredBytes, type StoredModel } from '../stored-model.ts';
import { placeTensors } from '../weight-space.ts';
import type { ModelContent } from './model-content.ts';

/** Weights at each tensor's start that go into the set's id. */
const SAMPLE_WEIGHTS = 1024;
const UNKNOWN_HASH = '0'.repeat(64);

export interface PlannedModel {
  readonly plan: PicturePlan;
  /** With hashes still unknown. */
  readonly model: StoredModel;
}

/**
 * Plans until the first file has room for the manifest that the plan leads to.
 * Throws `bad-argument` when `shardSize` is too small, and what reading throws.
 */
export async function planModel(
  content: ModelContent,
  { shardSize, ...options }: ReadOptions & { shardSize?: number | undefined },
): Promise<PlannedModel> {
  const id = await fingerprint(content, shardSize, options);
  const gapBytes = content.gaps.map(({ byteLength }) => byteLength);
  for (let manifestBytes = 0; ; ) {
    const plan = planPictures(content.tensors, content.headBytes.length, gapBytes, { shardSize, manifestBytes });
    const model = modelOf(content, plan, id);
    checkPadding(model, content.name);
    const needed = encodeManifest(describeModel(model)).length;
    if (needed > LIMITS.manifestBytes) throw tooManyParts(needed);
    if (needed <= manifestBytes) return { plan, model };
    manifestBytes = needed + Math.ceil(needed / 16);
  }
}

function tooManyParts(manifestBytes: number): PixelError {
  return new PixelError(
    'limit-exceeded',
    `The manifest would take ${manifestBytes} bytes, more than a reader accepts (${LIMITS.manifestBytes}): choose larger pictures.`,
  );
}

function modelOf(content: ModelContent, plan: PicturePlan, id: string): StoredModel {
  const unhashed = (runs: readonly FileRun[], byteLength: number): StoredBytes => ({
    byteLength,
    sha256: UNKNOWN_HASH,
    runs,
  });
  const parts = new Map(plan.tensors.map((planned) => [planned.name, planned.parts]));
  const space = placeTensors(plan.layers, new Map(content.tensors.map((tensor) => [tensor.name, tensor])));
  const nowhere = { x: 0, y: 0, width: 0, height: 0, partRows: 0, partStride: 0 };
  return {
    kind: content.kind ?? 'model',
    set: { id, count: plan.files },
    width: plan.width,
    contentLines: plan.contentLines,
    byteLength: content.byteLength,
    head: unhashed(plan.head, content.headBytes.length),
    gaps: content.gaps.map((gap, index) => ({ ...gap, ...unhashed(plan.gaps[index] ?? [], gap.byteLength) })),
    tensors: content.tensors.map((tensor) => ({
      ...tensor,
      sha256: UNKNOWN_HASH,
      parts: parts.get(tensor.name) ?? [],
      place: space.rectangles.get(tensor.name) ?? nowhere,
    })),
    layers: plan.layers,
  };
}

/**
 * What tells this model's pictures from another's: SHA-256 over the size asked for, the head and each tensor's first
 * weights. The same conversion always gives the same files; parts of two fine-tunes, or of two conversions, do not mix unseen.
 */
async function fingerprint(
  content: ModelContent,
  shardSize: number | undefined,
  options: ReadOptions,
): Promise<string> {
  const hash = createSha256();
  hash.update(new TextEncoder().encode(String(shardSize)));
  hash.update(content.headBytes);
  for (const tensor of content.tensors) {
    const { blockBytes, blockElements } = tensor.type;
    const bytes = new Uint8Array(Math.min(tensor.byteLength, (SAMPLE_WEIGHTS / blockElements) * blockBytes));
    await content.readBlocks(tensor, 0, bytes, options);
    hash.update(bytes);
  }
  return hash.digestHex().slice(0, 32);
}
