/**
 * A saved session: a picture of kind `conversation` that holds tokens, messages, settings, which model they belong to and, if
 * wanted, the KV cache. docs/format.md describes every field; model.ts decides what a model takes back.
 */
import * as z from 'zod';
import type { ByteSink } from '../core/byte-sink.ts';
import type { ByteSource, ReadOptions } from '../core/byte-source.ts';
import { PixelError } from '../core/errors.ts';
import { createSha256 } from '../core/hashing.ts';
import { LIMITS } from '../core/limits.ts';
import {
  baseManifestSchema,
  CREATED_BY,
  encodeManifest,
  pixelRunSchema,
  readManifest,
  sha256Schema,
} from '../png/manifest.ts';
import { openPicture } from '../png/open-picture.ts';
import type { Picture } from '../png/picture.ts';
import { createPictureWriter } from '../png/picture-writer.ts';
import { squareWidth } from '../png/pixelfs-writer.ts';
import type { ChatMessage } from '../tokenizer/chat-template.ts';
import type { SavedSettings } from './saved-settings.ts';

/** Which model a conversation belongs to. `name` and `architecture` are for people. */
export interface ModelReference {
  readonly name: string;
  readonly architecture: string;
  readonly sha256: string;
}

export interface ConversationContent {
  readonly model: ModelReference;
  /** The text so far, prompt and answer. */
  readonly tokens: Int32Array;
  readonly messages: readonly ChatMessage[];
  readonly settings: SavedSettings;
}

/** What the KV cache holds of the first `positions` tokens: pages of `pageTokens` positions, the last perhaps shorter. */
interface CacheFacts {
  readonly device: string;
  readonly pageTokens: number;
  readonly positions: number;
}

export interface SavedCache extends CacheFacts {
  /** As Executor.readPage gives them. */
  readonly pages: readonly Float32Array[];
}

/** An open conversation. */
export interface StoredConversation extends ConversationContent {
  /** `length`: values of all pages together. */
  readonly cache: (CacheFacts & { readonly length: number }) | undefined;
  /** The cache's bytes, checked, as f32; page after page. Throws `damaged-picture`. */
  readCache(options?: ReadOptions): Promise<Float32Array>;
  dispose(): Promise<void>;
}

const whole = z.int().nonnegative();
const number = z.number().optional();
const hashedRun = { ...pixelRunSchema.shape, sha256: sha256Schema };

const schema = z.object({
  ...baseManifestSchema.shape,
  kind: z.literal('conversation'),
  model: z.object({ name: z.string().max(4096), architecture: z.string().max(256), sha256: sha256Schema }),
  tokens: z.object(hashedRun),
  messages: z.array(
    z.object({
      role: z.enum(['system', 'user', 'assistant', 'tool']),
      content: z.string(),
      name: z.string().exactOptional(),
      tool_calls: z.array(z.unknown()).readonly().exactOptional(),
      tool_call_id: z.string().exactOptional(),
    }),
  ),
  settings: z.object({
    temperature: number,
    topK: number,
    topP: number,
    minP: number,
    repeatPenalty: number,
    frequencyPenalty: number,
    presencePenalty: number,
    repeatWindow: number,
    seed: number,
    wholeVocabulary: z.boolean().optional(),
    ignoreEndOfText: z.boolean().optional(),
    logitBias: z.array(z.tuple([whole, z.number().nullable()])).optional(),
    stop: z.array(z.string()).optional(),
  }),
  cache: z
    .object({
      ...hashedRun,
      device: z.string().max(64),
      type: z.string().max(64),
      pageTokens: z.int().min(1).max(1_048_576),
      positions: whole,
    })
    .optional(),
});

type Manifest = z.infer<typeof schema>;
type HashedRun = Manifest['tokens'];

/** Writes the picture and commits the sink; when it throws, the sink is aborted. Throws what sink and cache throw. */
export async function writeConversation(
  sink: ByteSink,
  { model, tokens, messages, settings }: ConversationContent,
  cache?: SavedCache,
): Promise<void> {
  const pages = (cache?.pages ?? []).map(littleEndian);
  const text = littleEndian(tokens);
  const byteLength = [text, ...pages].reduce((sum, part) => sum + part.length, 0);
  const writer = await createPictureWriter(sink, { width: squareWidth(byteLength), kind: 'conversation' });
  const append = async (parts: readonly Uint8Array[]): Promise<HashedRun> => {
    const offset = writer.offset;
    const hash = createSha256();
    for (const part of parts) hash.update(part);
    await writer.append(parts);
    return { offset, byteLength: writer.offset - offset, sha256: hash.digestHex() };
  };
  try {
    const manifest: Manifest = {
      formatVersion: 1,
      kind: 'conversation',
      createdBy: CREATED_BY,
      model,
      tokens: await append([text]),
      messages: [...messages],
      settings,
    };
    if (cache) {
      const { device, pageTokens, positions } = cache;
      const run = await append(pages);
      manifest.cache = { ...run, device, type: 'F32', pageTokens, positions };
    }
    await writer.finish(encodeManifest(manifest));
  } catch (error) {
    await writer.abort();
    throw error;
  }
}

/**
 * Opens a saved conversation. It owns the source from then on; when this throws, the source is closed.
 * Throws `unknown-format` for a picture of another kind, `bad-manifest`, `limit-exceeded`, and what openPicture throws.
 */
export async function openConversation(source: ByteSource, { signal }: ReadOptions = {}): Promise<StoredConversation> {
  const picture = await openPicture(source, { signal });
  try {
    if (picture.superblock.kind !== 'conversation') {
      throw new PixelError(
        'unknown-format',
        `${picture.name} holds a picture of kind "${picture.superblock.kind}", not a conversation.`,
      );
    }
    const { model, messages, settings, tokens, cache } = await readManifest(picture, schema, { signal });
    return {
      model,
      messages,
      settings,
      tokens: new Int32Array(await readRun(picture, 'tokens', tokens, signal)),
      // A type that came later is as good as none: the cache is computed again.
      cache: cache?.type === 'F32' ? { ...cache, length: cache.byteLength / 4 } : undefined,
      readCache: async (options) =>
        new Float32Array(cache ? await readRun(picture, 'cache', cache, options?.signal) : new ArrayBuffer(0)),
      dispose: () => picture.dispose(),
    };
  } catch (error) {
    await picture.dispose();
    throw error;
  }
}

async function readRun(
  picture: Picture,
  what: string,
  { offset, byteLength, sha256 }: HashedRun,
  signal: AbortSignal | undefined,
): Promise<ArrayBuffer> {
  const { width, superblock } = picture;
  const lies = offset >= 4 * width && offset + byteLength <= superblock.manifest.offset && byteLength % 4 === 0;
  if (!lies)
    throw new PixelError('bad-manifest', `${picture.name}: its manifest places the ${what} outside the picture.`);
  if (byteLength > LIMITS.conversationBytes) {
    throw new PixelError(
      'limit-exceeded',
      `${picture.name}: ${byteLength} bytes of ${what} exceed ${LIMITS.conversationBytes}.`,
    );
  }
  const bytes = new Uint8Array(byteLength);
  await picture.readPixels(offset, [bytes], { signal });
  const hash = createSha256();
  hash.update(bytes);
  if (hash.digestHex() === sha256) return bytes.buffer;
  throw new PixelError(
    'damaged-picture',
    `${picture.name}: the ${what} are not those that were written (their SHA-256 differs): get the original file.`,
  );
}

/** The array's bytes: every machine that runs this is little-endian, as typed arrays in files are. */
function littleEndian({ buffer, byteOffset, byteLength }: Int32Array | Float32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
