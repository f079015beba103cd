/** A file in the browser's storage as a ByteSource. */
import { BlobByteSource, type ByteSource, checkRange, totalLength } from '../core/byte-source.ts';
import { PixelError, throwIfAborted } from '../core/errors.ts';
import { openSync, type SyncAccessHandle, storageError } from './opfs-file.ts';

/**
 * Through a sync access handle; as a Blob where another page holds the file's only one. `name`: what to call it.
 * Throws `file-not-found`, `io`.
 */
export async function openKeptSource(
  folder: FileSystemDirectoryHandle,
  file: string,
  name: string,
): Promise<ByteSource> {
  try {
    return new KeptSource(name, await openSync(folder, file, 'read-only'));
  } catch (error) {
    const blob = await (await folder.getFileHandle(file).catch(() => undefined))?.getFile();
    if (!blob) throw error;
    return new BlobByteSource(new File([blob], name));
  }
}

class KeptSource implements ByteSource {
  readonly name: string;
  readonly size: number;
  #handle: SyncAccessHandle | undefined;

  constructor(name: string, handle: SyncAccessHandle) {
    this.name = name;
    this.size = handle.getSize();
    this.#handle = handle;
  }

  async read(
    offset: number,
    targets: readonly Uint8Array[],
    { signal }: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<void> {
    throwIfAborted(signal);
    checkRange(this, offset, totalLength(targets));
    const handle = this.#handle;
    if (!handle) throw new PixelError('disposed', `${this.name} was closed.`);
    let at = offset;
    for (const target of targets) {
      for (let done = 0; done < target.length; ) {
        const count = read(handle, this.name, target.subarray(done), at + done);
        if (count === 0) throw new PixelError('truncated', `${this.name} became shorter while it was read.`);
        done += count;
      }
      at += target.length;
    }
  }

  async dispose(): Promise<void> {
    this.#handle?.close();
    this.#handle = undefined;
  }
}

function read(handle: SyncAccessHandle, name: string, target: Uint8Array, at: number): number {
  try {
    return handle.read(target, { at });
  } catch (error) {
    throw storageError(error, name);
  }
}
