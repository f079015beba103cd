/** The pictures of a set as one place to write to, file after file from top to bottom. */
import type { ByteSink } from '../../core/byte-sink.ts';
import { CREATED_BY, encodeManifest } from '../../png/manifest.ts';
import type { PictureWriter } from '../../png/picture.ts';
import { createPictureWriter } from '../../png/picture-writer.ts';
import type { FileRun, PicturePlan } from '../layout.ts';
import type { MemberManifest, ModelKind } from '../manifest.ts';

export class SetWriter {
  readonly #plan: PicturePlan;
  readonly #openSink: (index: number) => Promise<ByteSink>;
  readonly #id: string;
  readonly #kind: ModelKind;
  readonly #zeros: Uint8Array;
  /** The first file waits for its manifest, which is known at the end. */
  #first: PictureWriter | undefined;
  #current: { readonly file: number; readonly writer: PictureWriter } | undefined;

  constructor(
    plan: PicturePlan,
    openSink: (index: number) => Promise<ByteSink>,
    { id, kind }: { id: string; kind: ModelKind },
  ) {
    this.#plan = plan;
    this.#openSink = openSink;
    this.#id = id;
    this.#kind = kind;
    this.#zeros = new Uint8Array(plan.width * 8);
  }

  /** Goes to where the run begins; the bytes skipped are zero. */
  async seek({ file, offset }: FileRun): Promise<PictureWriter> {
    const writer = await this.#open(file);
    while (writer.offset < offset) await writer.append([this.#zeros.subarray(0, offset - writer.offset)]);
    return writer;
  }

  async finish(manifest: Uint8Array): Promise<void> {
    await this.#open(this.#plan.files - 1);
    await this.#finishPart();
    await this.#first?.finish(manifest);
  }

  async abort(): Promise<void> {
    await this.#current?.writer.abort();
    await this.#first?.abort();
  }

  async #open(file: number): Promise<PictureWriter> {
    while (this.#current === undefined || this.#current.file < file) {
      const next = this.#current === undefined ? 0 : this.#current.file + 1;
      await this.#finishPart();
      const sink = await this.#openSink(next);
      const writer = await createPictureWriter(sink, { width: this.#plan.width, kind: this.#kind });
      if (next === 0) this.#first = writer;
      this.#current = { file: next, writer };
    }
    return this.#current.writer;
  }

  async #finishPart(): Promise<void> {
    if (!this.#current || this.#current.file === 0) return;
    const set = { id: this.#id, index: this.#current.file, count: this.#plan.files };
    const manifest: MemberManifest = { formatVersion: 1, kind: this.#kind, createdBy: CREATED_BY, set };
    await this.#current.writer.finish(encodeManifest(manifest));
  }
}
