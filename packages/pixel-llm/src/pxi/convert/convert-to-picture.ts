/**
 * Writes a model as pictures: the plan of layout.ts from top to bottom, in constant memory. A tensor's bytes are read once for
 * as many planes as fit the memory set aside for them, and once more for the next ones.
 */
import type { ByteSink } from '../../core/byte-sink.ts';
import { throwIfAborted } from '../../core/errors.ts';
import { createSha256 } from '../../core/hashing.ts';
import { type WorkOptions, writingToDisk } from '../../core/progress.ts';
import { encodeManifest } from '../../png/manifest.ts';
import type { PicturePlan, TensorPart } from '../layout.ts';
import { splitPlane } from '../planes.ts';
import { describeModel, type StoredBytes, type StoredModel } from '../stored-model.ts';
import { storedRows } from '../stored-rows.ts';
import { type CreateStreamHasher, createInlineHasher, type StreamHasher } from '../stream-hasher.ts';
import { HeldSinks } from './held-sinks.ts';
import { type ContentTensor, checkHash, type ModelContent } from './model-content.ts';
import { planModel } from './plan-model.ts';
import { SetWriter } from './set-writer.ts';
import { TensorPieceReader } from './tensor-pieces.ts';

export interface ConvertToPictureOptions extends WorkOptions {
  /** The most bytes a picture may have. Default: as many as viewers and GPUs open (268 MB). */
  shardSize?: number | undefined;
  /** Where SHA-256 is computed; pxi/node.ts has one on a thread of its own. */
  createHasher?: CreateStreamHasher | undefined;
}

export interface ConvertedPictures {
  readonly width: number;
  readonly files: number;
}

/** Bytes of planes kept in memory while the first one of a part is written. */
const KEPT_BYTES = 32 * 1024 * 1024;
const COPY_BYTES = 1024 * 1024;

/**
 * Converts to pictures. `openSink` is asked for each of the `count` files when its turn comes; all are committed together at
 * the end, and when anything fails none is. Throws `bad-argument` (shard size too small), `limit-exceeded`, `damaged-picture`
 * (a tensor that is not what it was), `aborted`, and what reading and writing throw.
 */
export async function convertToPictures(
  content: ModelContent,
  openSink: (index: number, count: number) => Promise<ByteSink>,
  { shardSize, createHasher = createInlineHasher, signal, onProgress }: ConvertToPictureOptions = {},
): Promise<ConvertedPictures> {
  const { plan, model } = await planModel(content, { shardSize, signal });
  const sinks = new HeldSinks();
  const hasher = createHasher();
  const writer = new SetWriter(plan, async (index) => sinks.hold(await openSink(index, plan.files)), {
    id: model.set.id,
    kind: model.kind,
  });
  try {
    const job = new ConversionJob(content, plan, writer, hasher, { signal, onProgress });
    const hashed = await job.run(model);
    await writer.finish(encodeManifest(describeModel(hashed)));
    throwIfAborted(signal);
    onProgress?.(writingToDisk(content.byteLength));
    await sinks.commit();
    return { width: plan.width, files: plan.files };
  } catch (error) {
    await writer.abort();
    throw error;
  } finally {
    await sinks.abort();
    await hasher.dispose();
  }
}

class ConversionJob {
  readonly #content: ModelContent;
  readonly #plan: PicturePlan;
  readonly #writer: SetWriter;
  readonly #hasher: StreamHasher;
  readonly #pieces: TensorPieceReader;
  readonly #options: WorkOptions;
  readonly #total: number;
  #keptMemory: ArrayBuffer | undefined;
  #scratch: Uint8Array = new Uint8Array(0);
  #done = 0;

  constructor(content: ModelContent, plan: PicturePlan, writer: SetWriter, hasher: StreamHasher, options: WorkOptions) {
    this.#content = content;
    this.#plan = plan;
    this.#writer = writer;
    this.#hasher = hasher;
    this.#pieces = new TensorPieceReader(content, hasher);
    this.#options = options;
    this.#total = content.tensors.reduce((sum, { byteLength }) => sum + byteLength, 0);
  }

  /** Writes all content; returns the model with its hashes. */
  async run(model: StoredModel): Promise<StoredModel> {
    const { headBytes } = this.#content;
    const head = await this.#writeBytes(model.head, async (start, target) =>
      target.set(headBytes.subarray(start, start + target.length)),
    );
    const gaps: (typeof model.gaps)[number][] = [];
    for (const [index, gap] of model.gaps.entries()) {
      const known = this.#content.gaps[index] ?? gap;
      const read = (start: number, target: Uint8Array) => this.#content.readGap(known, start, target, this.#options);
      const written = await this.#writeBytes(gap, read);
      checkHash(this.#content, known, written.sha256);
      gaps.push({ ...gap, ...written });
    }
    const hashes = new Map<string, string>();
    const byName = new Map(this.#content.tensors.map((tensor) => [tensor.name, tensor]));
    for (const { name, parts } of this.#plan.tensors) {
      const tensor = byName.get(name);
      if (!tensor) continue;
      for (const part of parts) await this.#writePart(tensor, part);
      const hash = await this.#hasher.digest(name);
      checkHash(this.#content, tensor, hash);
      hashes.set(name, hash);
    }
    const tensors = model.tensors.map((tensor) => ({ ...tensor, sha256: hashes.get(tensor.name) ?? tensor.sha256 }));
    return { ...model, head, gaps, tensors };
  }

  async #writeBytes(
    stored: StoredBytes,
    read: (start: number, target: Uint8Array) => Promise<void>,
  ): Promise<StoredBytes> {
    const hash = createSha256();
    let at = 0;
    for (const run of stored.runs) {
      const writer = await this.#writer.seek(run);
      for (let done = 0; done < run.byteLength; ) {
        const bytes = new Uint8Array(Math.min(COPY_BYTES, run.byteLength - done));
        await read(at, bytes);
        hash.update(bytes);
        await writer.append([bytes]);
        done += bytes.length;
        at += bytes.length;
      }
    }
    return { ...stored, sha256: hash.digestHex() };
  }

  /** Streams one plane to the file, keeps the next ones that fit in memory, and begins again with what is left. */
  async #writePart(tensor: ContentTensor, part: TensorPart): Promise<void> {
    for (let plane = 0; plane < part.planes.length; ) plane = await this.#writePlanes(tensor, part, plane);
  }

  async #writePlanes(tensor: ContentTensor, part: TensorPart, first: number): Promise<number> {
    const { type } = tensor;
    const { rowBlocks } = storedRows(tensor);
    const [firstBlock, endBlock] = [part.rowStart * rowBlocks, part.rowEnd * rowBlocks];
    const kept = this.#keptPlanes(part, first + 1);
    const writer = await this.#writer.seek(part.planes[first]!);
    const firstField = type.fields[first]!;
    const range = { firstBlock, endBlock };
    const options = { hash: first === 0, signal: this.#options.signal };
    for await (const piece of this.#pieces.read(tensor, range, options)) {
      const blocks = piece.bytes.length / type.blockBytes;
      const at = piece.firstBlock - firstBlock;
      for (const [index, bytes] of kept.entries()) {
        const field = type.fields[first + 1 + index]!;
        splitPlane(type, field.name, piece.bytes, bytes.subarray(at * field.bytes, (at + blocks) * field.bytes));
      }
      if (type.fields.length === 1) {
        await writer.append([piece.bytes]);
      } else {
        const bytes = blocks * firstField.bytes;
        if (this.#scratch.length < bytes) this.#scratch = new Uint8Array(bytes);
        const plane = this.#scratch.subarray(0, bytes);
        splitPlane(type, firstField.name, piece.bytes, plane);
        await writer.append([plane]);
      }
      this.#report(blocks * firstField.bytes);
    }
    for (const [index, bytes] of kept.entries()) {
      await (await this.#writer.seek(part.planes[first + 1 + index]!)).append([bytes]);
      this.#report(bytes.length);
    }
    return first + 1 + kept.length;
  }

  #report(bytes: number): void {
    this.#done += bytes;
    this.#options.onProgress?.({ phase: 'converting', done: this.#done, total: this.#total, unit: 'bytes' });
  }

  /** Memory for the planes from `from` on, as many as may be kept; the same each time. */
  #keptPlanes(part: TensorPart, from: number): Uint8Array[] {
    const kept: Uint8Array[] = [];
    let used = 0;
    for (const { byteLength } of part.planes.slice(from)) {
      if (used + byteLength > KEPT_BYTES) break;
      this.#keptMemory ??= new ArrayBuffer(KEPT_BYTES);
      kept.push(new Uint8Array(this.#keptMemory, used, byteLength));
      used = Math.ceil((used + byteLength) / 8) * 8;
    }
    return kept;
  }
}
