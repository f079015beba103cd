/**
 * Checks a model's pictures: every line's CRC, and the SHA-256 of every tensor and of what lies between. What is
 * wrong is said by line and by tensor. Pictures that another program compressed anew are as good, if their tensors are.
 */
import { isPixelError, type PixelError } from '../core/errors.ts';
import { createSha256 } from '../core/hashing.ts';
import type { WorkOptions } from '../core/progress.ts';
import { createPictureContent } from './convert/picture-content.ts';
import { TensorPieceReader } from './convert/tensor-pieces.ts';
import type { FileRun } from './layout.ts';
import type { PictureSet } from './picture-set.ts';
import type { StoredBytes } from './stored-model.ts';
import { type CreateStreamHasher, createInlineHasher } from './stream-hasher.ts';

export interface VerifyModelOptions extends WorkOptions {
  /** Where SHA-256 is computed; pxi/node.ts has one on a thread of its own. */
  createHasher?: CreateStreamHasher | undefined;
}

/** Something that is not as it was written. */
export interface ModelFinding {
  /** The picture, where it is about one. */
  readonly file?: string;
  /** Its pixel line; -1 for a part of the PNG that belongs to no line. */
  readonly line?: number;
  /** The tensors that lie in that line, or the one whose SHA-256 differs. */
  readonly tensors?: readonly string[];
  /** One sentence. */
  readonly message: string;
}

const COPY_BYTES = 1024 * 1024;

/** Checks all pictures of a model; an empty answer means sound. Throws `aborted`, `io`, `http`; damage is a finding. */
export async function verifyModel(
  set: PictureSet,
  { createHasher = createInlineHasher, signal, onProgress }: VerifyModelOptions = {},
): Promise<ModelFinding[]> {
  const progress = new Progress(set, onProgress);
  const lines = await verifyLines(set, progress, signal);
  const gaps = await verifyGaps(set, signal);
  const tensors = await verifyTensors(set, progress, createHasher, signal);
  return [...lines, ...gaps, ...tensors];
}

async function verifyLines(
  set: PictureSet,
  progress: Progress,
  signal: AbortSignal | undefined,
): Promise<ModelFinding[]> {
  const findings: ModelFinding[] = [];
  for (const [file, picture] of set.pictures.entries()) {
    const lineBytes = picture.width * 4;
    const damages = await picture.verify({ signal, onProgress: ({ done }) => progress.lines(done * lineBytes) });
    progress.add(picture.height * lineBytes);
    for (const { line, message } of damages) {
      const tensors = tensorsInLine(set, file, line);
      const holds = tensors.length > 0 ? ` Here lies ${tensors.map((name) => `"${name}"`).join(', ')}.` : '';
      findings.push({ file: picture.name, line, tensors, message: `${picture.name}: ${message}${holds}` });
    }
  }
  return findings;
}

/** The tensors with bytes in a line of a picture. */
function tensorsInLine({ model }: PictureSet, file: number, line: number): string[] {
  const start = line * model.width * 4;
  const end = start + model.width * 4;
  const touches = (run: FileRun) => run.file === file && run.offset < end && run.offset + run.byteLength > start;
  return model.tensors.filter(({ parts }) => parts.some(({ planes }) => planes.some(touches))).map(({ name }) => name);
}

/** What lies between tensors; the head was checked when the set was opened. */
async function verifyGaps(set: PictureSet, signal: AbortSignal | undefined): Promise<ModelFinding[]> {
  const findings: ModelFinding[] = [];
  for (const gap of set.model.gaps) {
    const problem = await problemOf(async () => ((await hashBytes(set, gap, signal)) === gap.sha256 ? '' : HASH));
    if (!problem) continue;
    findings.push({ message: `${set.name}: the bytes between tensors at ${gap.position} are damaged: ${problem}` });
  }
  return findings;
}

async function hashBytes(set: PictureSet, { runs }: StoredBytes, signal: AbortSignal | undefined): Promise<string> {
  const hash = createSha256();
  for (const run of runs) {
    for (let at = 0; at < run.byteLength; at += COPY_BYTES) {
      const bytes = new Uint8Array(Math.min(COPY_BYTES, run.byteLength - at));
      await set.readRun(run, at, bytes, { signal });
      hash.update(bytes);
    }
  }
  return hash.digestHex();
}

async function verifyTensors(
  set: PictureSet,
  progress: Progress,
  createHasher: CreateStreamHasher,
  signal: AbortSignal | undefined,
): Promise<ModelFinding[]> {
  const findings: ModelFinding[] = [];
  const hasher = createHasher();
  try {
    const pieces = new TensorPieceReader(createPictureContent(set), hasher);
    for (const tensor of set.model.tensors) {
      const range = { firstBlock: 0, endBlock: tensor.byteLength / tensor.type.blockBytes };
      const problem = await problemOf(async () => {
        for await (const { bytes } of pieces.read(tensor, range, { hash: true, signal })) progress.add(bytes.length);
        return '';
      });
      const digest = await hasher.digest(tensor.name);
      const fault = problem || (digest === tensor.sha256 ? '' : HASH);
      if (fault) {
        const message = `${set.name}: tensor "${tensor.name}" is damaged: ${fault}`;
        findings.push({ tensors: [tensor.name], message });
      }
    }
  } finally {
    await hasher.dispose();
  }
  return findings;
}

const HASH = 'the SHA-256 is not the one in the manifest.';

/** What the work answers, or what it says of the data when it fails because of them. */
async function problemOf(work: () => Promise<string>): Promise<string> {
  try {
    return await work();
  } catch (error) {
    if (isDamage(error)) return error.message;
    throw error;
  }
}

/** True for errors that are about what a file holds. */
export function isDamage(error: unknown): error is PixelError {
  return isPixelError(error) && DAMAGE.has(error.code);
}

const DAMAGE: ReadonlySet<string> = new Set([
  'damaged-picture',
  'bad-png',
  'bad-manifest',
  'bad-gguf',
  'truncated',
  'missing-part',
  'limit-exceeded',
]);

/** Lines and tensors as one measure: bytes looked at. */
class Progress {
  readonly #onProgress: WorkOptions['onProgress'];
  readonly #total: number;
  #done = 0;

  constructor({ pictures, model }: PictureSet, onProgress: WorkOptions['onProgress']) {
    this.#onProgress = onProgress;
    this.#total =
      pictures.reduce((sum, { width, height }) => sum + width * height * 4, 0) +
      model.tensors.reduce((sum, { byteLength }) => sum + byteLength, 0);
  }

  add(bytes: number): void {
    this.#done += bytes;
    this.lines(0);
  }

  /** Reports so many bytes beyond what was added. */
  lines(bytes: number): void {
    this.#onProgress?.({ phase: 'verifying', done: this.#done + bytes, total: this.#total, unit: 'bytes' });
  }
}
