/** The part of a download as a file. */
import { type FileHandle, open } from 'node:fs/promises';
import { fileError } from '../../core/node.ts';
import type { PartFile } from '../../download/download-file.ts';

const READ_BYTES = 4 * 1024 * 1024;

export class DiskPartFile implements PartFile {
  readonly #path: string;
  readonly #handle: FileHandle;
  #length: number;

  private constructor(path: string, handle: FileHandle, length: number) {
    this.#path = path;
    this.#handle = handle;
    this.#length = length;
  }

  /** Opens what is there, or begins a new file. Throws `file-not-found`, `io`. */
  static async open(path: string): Promise<DiskPartFile> {
    try {
      // Not "a": what is written goes where it belongs, whatever another process did to the file's length.
      const handle = await open(path, 'r+').catch(() => open(path, 'wx+'));
      return new DiskPartFile(path, handle, (await handle.stat()).size);
    } catch (error) {
      throw fileError(error, path);
    }
  }

  get length(): number {
    return this.#length;
  }

  async write(bytes: Uint8Array): Promise<void> {
    await this.#try(async () => {
      for (let done = 0; done < bytes.length; ) {
        const { bytesWritten } = await this.#handle.write(bytes, done, bytes.length - done, this.#length);
        done += bytesWritten;
        this.#length += bytesWritten;
      }
    });
  }

  async truncate(length: number): Promise<void> {
    await this.#try(() => this.#handle.truncate(length));
    this.#length = length;
  }

  async sync(): Promise<void> {
    await this.#try(() => this.#handle.datasync());
  }

  async *read(): AsyncGenerator<Uint8Array, void, void> {
    for (let at = 0; at < this.#length; ) {
      const block = new Uint8Array(Math.min(READ_BYTES, this.#length - at));
      const { bytesRead } = await this.#try(() => this.#handle.read(block, 0, block.length, at));
      if (bytesRead === 0) return;
      at += bytesRead;
      yield block.subarray(0, bytesRead);
    }
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }

  async #try<Result>(work: () => Promise<Result>): Promise<Result> {
    try {
      return await work();
    } catch (error) {
      throw fileError(error, this.#path);
    }
  }
}
