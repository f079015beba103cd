/**
 * The manifest of a model: the JSON in the pixels of the first picture of a set that says where everything lies. The other
 * pictures hold a short one that names the set only. Here is its form; whether its numbers make sense is stored-model.ts's
 * question. docs/format.md describes every field.
 */
import * as z from 'zod';
import type { ReadOptions } from '../core/byte-source.ts';
import { PixelError } from '../core/errors.ts';
import { LIMITS } from '../core/limits.ts';
import { baseManifestSchema, readManifest, sha256Schema } from '../png/manifest.ts';
import type { Picture } from '../png/picture.ts';
import type { LayerRole } from './layers.ts';

/** No type has more fields. */
const MOST_PLANES = 16;

/** [file, line, x, byteLength]: a run of bytes in the pixels of one file, from pixel x of a line on. */
type ManifestRun = [file: number, line: number, x: number, byteLength: number];
/** [field, line, x, byteLength]: the same of one plane; the part says the file. */
type ManifestPlane = [field: string, line: number, x: number, byteLength: number];

/** What a picture of weights is: a model; one in the middle of its training, with the optimizer's memory; weights to be added to a model's. */
export const MODEL_KINDS = ['model', 'checkpoint', 'adapter'] as const;
export type ModelKind = (typeof MODEL_KINDS)[number];

/** What every picture of a set says. */
export interface MemberManifest {
  formatVersion: 1;
  kind: ModelKind;
  /** The program that wrote the picture. */
  createdBy: string;
  /** `index` counts from 0. */
  set: { id: string; index: number; count: number };
}

/** Bytes without structure. */
interface ManifestBytes {
  byteLength: number;
  sha256: string;
  runs: ManifestRun[];
}

export interface ManifestTensor {
  name: string;
  /** ggml's name of the type and its number. */
  type: [name: string, id: number];
  dimensions: number[];
  /** Byte offset in the GGUF file. */
  position: number;
  /** SHA-256 of the tensor's bytes as they stand in the GGUF file. */
  sha256: string;
  /** Rows one after the other; the planes of a part lie in one file. */
  parts: { file: number; rows: number; planes: ManifestPlane[] }[];
  /** Weight space. Part p of the rectangle holds rows p x partRows and on, and begins at x + p x partStride. */
  place: [x: number, y: number, width: number, height: number, partRows: number, partStride: number];
}

/** The first file's. */
export interface ModelManifest extends MemberManifest {
  /** Pixels a line, in all files. */
  width: number;
  /** Lines that hold content in each file, line 0 included: the manifest's own lines come after them. */
  contentLines: number[];
  gguf: { byteLength: number; head: ManifestBytes; gaps: (ManifestBytes & { position: number })[] };
  /** In the order of the GGUF directory. */
  tensors: ManifestTensor[];
  layers: {
    id: string;
    role: LayerRole;
    tensors: string[];
    lines: [file: number, first: number, end: number][];
  }[];
}

const whole = z.int().nonnegative();
const name = z.string().max(LIMITS.nameBytes);
const runs = z.array(z.tuple([whole, whole, whole, whole]));
const part = z.object({
  file: whole,
  rows: whole,
  planes: z.array(z.tuple([name, whole, whole, whole])).max(MOST_PLANES),
});

const member = {
  ...baseManifestSchema.shape,
  kind: z.enum(MODEL_KINDS),
  set: z.object({
    id: z.string().min(1).max(64),
    index: whole.max(LIMITS.setFiles),
    count: z.int().min(1).max(LIMITS.setFiles),
  }),
};

const memberSchema: z.ZodType<MemberManifest> = z.object(member);

const modelSchema: z.ZodType<ModelManifest> = z.object({
  ...member,
  width: z.int().min(64).max(8192),
  contentLines: z.array(whole).min(1).max(LIMITS.setFiles),
  gguf: z.object({
    byteLength: whole,
    head: z.object({ byteLength: whole.max(LIMITS.headBytes), sha256: sha256Schema, runs }),
    gaps: z.array(z.object({ position: whole, byteLength: whole, sha256: sha256Schema, runs })),
  }),
  tensors: z
    .array(
      z.object({
        name,
        type: z.tuple([name, whole]),
        dimensions: z.array(whole).max(4),
        position: whole,
        sha256: sha256Schema,
        parts: z.array(part).max(LIMITS.setFiles),
        place: z.tuple([whole, whole, whole, whole, whole, whole]),
      }),
    )
    .max(LIMITS.tensors),
  layers: z
    .array(
      z.object({
        id: name,
        role: z.enum(['embedding', 'layer', 'output', 'other']),
        tensors: z.array(name).max(LIMITS.tensors),
        lines: z.array(z.tuple([whole, whole, whole])).max(LIMITS.setFiles),
      }),
    )
    .max(LIMITS.tensors),
});

/** Reads what any picture of a set says about the set. Throws `bad-manifest`, and what reading the pixels throws. */
export async function readMemberManifest(picture: Picture, options?: ReadOptions): Promise<MemberManifest> {
  const manifest = await readManifest(picture, memberSchema, options);
  const { index, count } = manifest.set;
  if (index < count) return manifest;
  throw new PixelError('bad-manifest', `${picture.name}: its manifest says it is picture ${index + 1} of ${count}.`);
}

/** Reads the first picture's manifest. Throws `bad-manifest`, and what reading the pixels throws. */
export function readModelManifest(picture: Picture, options?: ReadOptions): Promise<ModelManifest> {
  return readManifest(picture, modelSchema, options);
}
