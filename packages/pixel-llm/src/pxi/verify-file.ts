/**
 * Checks a model by the name of its file, whatever it is: pictures line by line and tensor by tensor; GGUF, which holds no
 * checksums, for its structure and that all its tensors are there. A file too damaged to open is a finding too.
 */
import type { ByteSource } from '../core/byte-source.ts';
import { PixelError } from '../core/errors.ts';
import { type OpenByteSource, openGgufModel } from '../gguf/split.ts';
import { openPicture } from '../png/open-picture.ts';
import { type ModelFormat, recognizeModel } from './open-weights.ts';
import { openPictureSet } from './picture-set.ts';
import { isDamage, type ModelFinding, type VerifyModelOptions, verifyModel } from './verify-model.ts';

export interface VerifyReport {
  readonly name: string;
  readonly format: ModelFormat;
  /** Of how many files, pixel lines and tensors it consists, as far as it could be opened. */
  readonly files: number;
  readonly lines: number;
  readonly tensors: number;
  /** Bytes of the tensors. */
  readonly byteLength: number;
  /** Empty when it is sound. */
  readonly findings: readonly ModelFinding[];
}

/** Throws `unknown-format`, `file-not-found`, `aborted`, `io`, `http`; damage is a finding. */
export async function verifyModelFile(
  name: string,
  open: OpenByteSource,
  options: VerifyModelOptions = {},
): Promise<VerifyReport> {
  const source = await open(name);
  const format = await recognizeModel(source, options);
  try {
    return format === 'picture' ? await verifyPictures(source, open, options) : await verifyGguf(source, open, options);
  } catch (error) {
    await source.dispose();
    if (!isDamage(error)) throw error;
    const lines = format === 'picture' ? await damagedLines(name, open, options) : [];
    const findings = [...lines, { message: error.message }];
    return { name, format, files: 1, lines: 0, tensors: 0, byteLength: 0, findings };
  }
}

async function verifyPictures(
  source: ByteSource,
  open: OpenByteSource,
  options: VerifyModelOptions,
): Promise<VerifyReport> {
  const set = await openPictureSet(source, { openSibling: open, signal: options.signal });
  try {
    const findings = await verifyModel(set, options);
    const { tensors } = set.model;
    const lines = set.pictures.reduce((sum, { height }) => sum + height, 0);
    return {
      name: source.name,
      format: 'picture',
      files: set.pictures.length,
      lines,
      tensors: tensors.length,
      byteLength: totalBytes(tensors),
      findings,
    };
  } finally {
    await set.dispose();
  }
}

async function verifyGguf(
  source: ByteSource,
  open: OpenByteSource,
  options: VerifyModelOptions,
): Promise<VerifyReport> {
  const openOthers = async (name: string) => (name === source.name ? source : open(name));
  const model = await openGgufModel(source.name, openOthers, { signal: options.signal });
  try {
    const tensors = [...model.tensors.values()];
    return {
      name: source.name,
      format: 'gguf',
      files: model.parts.length,
      lines: 0,
      tensors: tensors.length,
      byteLength: totalBytes(tensors),
      findings: [],
    };
  } finally {
    await model.dispose();
  }
}

/** When the manifest cannot be read, the lines' own checksums still tell which ones are damaged. */
async function damagedLines(name: string, open: OpenByteSource, options: VerifyModelOptions): Promise<ModelFinding[]> {
  try {
    const picture = await openPicture(await open(name), { signal: options.signal });
    try {
      const damages = await picture.verify({ signal: options.signal });
      return damages.map(({ line, message }) => ({ file: name, line, message: `${name}: ${message}` }));
    } finally {
      await picture.dispose();
    }
  } catch (error) {
    if (error instanceof PixelError && error.code !== 'aborted') return [];
    throw error;
  }
}

function totalBytes(tensors: readonly { readonly byteLength: number }[]): number {
  return tensors.reduce((sum, { byteLength }) => sum + byteLength, 0);
}
