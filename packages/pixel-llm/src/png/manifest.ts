/**
 * The manifest: JSON in the picture's own pixels that says what they hold. What all kinds share stands here, and the kind
 * `bytes` (PixelFS); pxi/ extends the base for models.
 */
import * as z from 'zod';
import type { ReadOptions } from '../core/byte-source.ts';
import { PixelError } from '../core/errors.ts';
import { LIMITS } from '../core/limits.ts';
import type { Picture } from './picture.ts';

/** What this program calls itself in the manifests it writes. */
export const CREATED_BY = 'pixel-llm';

const count: z.ZodNumber = z.number().int().nonnegative();

/** Bytes of the raster of one picture, as PixelRun. */
export const pixelRunSchema: z.ZodObject<{ offset: z.ZodNumber; byteLength: z.ZodNumber }> = z.object({
  offset: count,
  byteLength: count,
});

/** Lower-case hexadecimal. */
export const sha256Schema: z.ZodString = z.string().regex(/^[0-9a-f]{64}$/);

/** What every kind's manifest starts with: `baseManifestSchema.extend({ kind: z.literal('model'), ... })`. */
export const baseManifestSchema: z.ZodObject<{
  formatVersion: z.ZodLiteral<1>;
  kind: z.ZodString;
  createdBy: z.ZodString;
}> = z.object({
  formatVersion: z.literal(1),
  kind: z.string(),
  /** The program and version that wrote the picture. */
  createdBy: z.string().max(200),
});

/** Kind `bytes`: one file of any content. */
export const bytesManifestSchema: z.ZodObject<{
  formatVersion: z.ZodLiteral<1>;
  kind: z.ZodLiteral<'bytes'>;
  createdBy: z.ZodString;
  name: z.ZodString;
  sha256: z.ZodString;
  data: typeof pixelRunSchema;
}> = baseManifestSchema.extend({
  kind: z.literal('bytes'),
  /** The file's name, without a path; may be empty. */
  name: z.string().max(1024),
  sha256: sha256Schema,
  data: pixelRunSchema,
});

export type BytesManifest = z.infer<typeof bytesManifestSchema>;

/**
 * Reads a picture's manifest and checks it against a schema.
 * Throws `bad-manifest`, and what reading the pixels throws.
 */
export async function readManifest<Schema extends z.ZodType>(
  picture: Picture,
  schema: Schema,
  options?: ReadOptions,
): Promise<z.infer<Schema>> {
  const { offset, byteLength } = picture.superblock.manifest;
  if (byteLength > LIMITS.manifestBytes) {
    throw new PixelError('limit-exceeded', `${picture.name}: its manifest exceeds ${LIMITS.manifestBytes} bytes.`);
  }
  const bytes = new Uint8Array(byteLength);
  await picture.readPixels(offset, [bytes], options);
  const result = schema.safeParse(parseJson(bytes, picture.name));
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new PixelError(
    'bad-manifest',
    `${picture.name}: its manifest is malformed at ${issue?.path.join('.') || 'its top'} (${issue?.message}): get the original file.`,
  );
}

export function encodeManifest(manifest: object): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(JSON.stringify(manifest));
}

function parseJson(bytes: Uint8Array, name: string): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    throw new PixelError(
      'bad-manifest',
      `${name}: its manifest is not JSON, bytes were changed: get the original file (verifying names the damaged lines).`,
      {
        cause: error,
      },
    );
  }
}
