/**
 * A model in one GGUF file or split over several, `NAME-00001-of-0000N.gguf`: naming any one of them opens them all, and
 * what comes out is one head. Source: llama.cpp's split files (metadata keys split.no, split.count, split.tensors.count).
 */
import type { ByteSource, ReadOptions } from '../core/byte-source.ts';
import { isPixelError, PixelError } from '../core/errors.ts';
import { LIMITS } from '../core/limits.ts';
import { type Metadata, metadataNumber } from './head.ts';
import { type GgufHead, readGgufHead } from './reader.ts';
import type { GgufTensor } from './tensor-directory.ts';

/** Looking for missing files ends after this many: a name may claim 99,999. */
const MISSING_LISTED = 16;

/** Opens the file of that name; throws `file-not-found` when there is none. */
export type OpenByteSource = (name: string) => Promise<ByteSource>;

interface GgufPart {
  readonly source: ByteSource;
  readonly head: GgufHead;
}

export interface PlacedTensor extends GgufTensor {
  /** Index of the part it lies in. */
  readonly part: number;
}

/** An open model: owns its files. */
export interface GgufModel {
  /** The name it was opened by. */
  readonly name: string;
  /** The files in order; one when the model is not split. */
  readonly parts: readonly GgufPart[];
  /** The first part's metadata, of a set without the `split.` keys; the other parts' files add nothing to it. */
  readonly metadata: Metadata;
  /** By name, part after part in file order. */
  readonly tensors: ReadonlyMap<string, PlacedTensor>;
  /** Closes all files; harmless twice. */
  dispose(): Promise<void>;
}

/**
 * Opens a model by the name of its file, or of any file of its set.
 * Throws `missing-part` (naming the missing files), `bad-gguf`, `limit-exceeded`, `truncated`, and what `open` throws.
 */
export async function openGgufModel(name: string, open: OpenByteSource, options?: ReadOptions): Promise<GgufModel> {
  const names = partNames(name) ?? [name];
  const sources = await openAll(name, names, open);
  try {
    const parts: GgufPart[] = [];
    for (const source of sources) parts.push({ source, head: await readGgufHead(source, options) });
    for (const [index, part] of parts.entries()) checkPart(part, index, parts.length);
    const tensors = mergeTensors(parts);
    checkTensorCount(name, parts, tensors.size);
    return { name, parts, metadata: mergedMetadata(parts), tensors, dispose: () => disposeAll(sources) };
  } catch (error) {
    await disposeAll(sources);
    throw error;
  }
}

/** The names of all files of the set that `name` belongs to, in order; undefined when the name is not that of a set. */
export function partNames(name: string): string[] | undefined {
  const match = /^(.*-)(\d{5})(-of-)(\d{5})(\.gguf(?:[?#].*)?)$/is.exec(name);
  if (!match) return undefined;
  const [, before = '', number, of = '', total, after = ''] = match;
  const count = Number(total);
  if (Number(number) < 1 || Number(number) > count) return undefined;
  const numbers = Array.from({ length: count }, (_, i) => String(i + 1).padStart(5, '0'));
  return numbers.map((part) => before + part + of + total + after);
}

async function openAll(name: string, names: readonly string[], open: OpenByteSource): Promise<ByteSource[]> {
  const sources: ByteSource[] = [];
  const missing: string[] = [];
  let cause: unknown;
  try {
    for (const part of names) {
      try {
        sources.push(await open(part));
      } catch (error) {
        if (part === name || !isMissing(error)) throw error;
        missing.push(part);
        cause = error;
        if (missing.length === MISSING_LISTED) break;
      }
    }
    if (missing.length === 0) return sources;
    const more = missing.length === MISSING_LISTED ? ', and perhaps more' : '';
    const message = `${name} is one of ${names.length} files; missing: ${missing.join(', ')}${more}.`;
    throw new PixelError('missing-part', message, { cause, details: { missing } });
  } catch (error) {
    await disposeAll(sources);
    throw error;
  }
}

function isMissing(error: unknown): boolean {
  return isPixelError(error, 'file-not-found') || (isPixelError(error, 'http') && error.details.status === 404);
}

function checkPart({ source, head }: GgufPart, index: number, count: number): void {
  // A set that was merged again says 0.
  const declaredCount = metadataNumber(head.metadata, 'split.count') || 1;
  if (declaredCount !== count) {
    const hint = count === 1 ? ': keep the -00001-of-0000N.gguf name that such a file has' : '';
    const message = `${source.name} says it is one of ${declaredCount} files, but was opened as one of ${count}${hint}.`;
    throw new PixelError(count === 1 ? 'missing-part' : 'bad-gguf', message);
  }
  const number = metadataNumber(head.metadata, 'split.no') ?? 0;
  if (number !== index) {
    const message = `${source.name} says it is file ${number + 1} of its set, but its name says ${index + 1}.`;
    throw new PixelError('bad-gguf', message);
  }
}

function mergedMetadata(parts: readonly GgufPart[]): Metadata {
  const { metadata } = parts[0]!.head;
  if (parts.length === 1) return metadata;
  return new Map([...metadata].filter(([key]) => !key.startsWith('split.')));
}

function mergeTensors(parts: readonly GgufPart[]): Map<string, PlacedTensor> {
  const tensors = new Map<string, PlacedTensor>();
  for (const [part, { source, head }] of parts.entries()) {
    for (const tensor of head.tensors) {
      if (tensors.has(tensor.name)) {
        throw new PixelError(
          'bad-gguf',
          `${source.name}: tensor "${tensor.name}" is in an earlier file of the set too.`,
        );
      }
      tensors.set(tensor.name, { ...tensor, part });
    }
    if (tensors.size > LIMITS.tensors) {
      throw new PixelError('limit-exceeded', `${source.name}: the set has more than ${LIMITS.tensors} tensors.`);
    }
  }
  return tensors;
}

function checkTensorCount(name: string, parts: readonly GgufPart[], count: number): void {
  const declared = metadataNumber(parts[0]!.head.metadata, 'split.tensors.count') ?? count;
  if (declared === count) return;
  throw new PixelError('bad-gguf', `${name}: the set says it has ${declared} tensors, but its files hold ${count}.`);
}

async function disposeAll(sources: readonly ByteSource[]): Promise<void> {
  await Promise.all(sources.map((source) => source.dispose()));
}
