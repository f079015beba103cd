/**
 * Files of the browser's private storage (OPFS), read and written at once through sync access handles, which only workers have; and what
 * the browser says of them, as a PixelError.
 */
import { PixelError } from '../core/errors.ts';

/** As the File System standard has it; TypeScript describes it for workers only. */
export interface SyncAccessHandle {
  getSize(): number;
  read(target: Uint8Array, options: { readonly at: number }): number;
  write(bytes: Uint8Array, options: { readonly at: number }): number;
  truncate(length: number): void;
  flush(): void;
  close(): void;
}

interface WorkerFileHandle extends FileSystemFileHandle {
  createSyncAccessHandle(options?: { mode?: 'readwrite' | 'read-only' }): Promise<SyncAccessHandle>;
}

/** True where this thread may keep files: in a worker of a page served by https or from this machine. */
export function canKeepFiles(): boolean {
  return (
    typeof globalThis.navigator?.storage?.getDirectory === 'function' &&
    'createSyncAccessHandle' in FileSystemFileHandle.prototype
  );
}

/** Throws `io` when another page has it open, `storage-full`, `file-not-found`. */
export async function openSync(
  folder: FileSystemDirectoryHandle,
  name: string,
  mode: 'readwrite' | 'read-only',
): Promise<SyncAccessHandle> {
  try {
    const file = await folder.getFileHandle(name, { create: mode === 'readwrite' });
    // Where modes are unknown, the handle is for one page at a time.
    return await (file as WorkerFileHandle).createSyncAccessHandle({ mode });
  } catch (error) {
    throw storageError(error, name);
  }
}

/** Writes a small file whole. Throws `io`, `storage-full`. */
export async function writeFile(folder: FileSystemDirectoryHandle, name: string, text: string): Promise<void> {
  const handle = await openSync(folder, name, 'readwrite');
  try {
    const bytes = new TextEncoder().encode(text);
    handle.truncate(bytes.length);
    writeAll(handle, bytes, 0);
    handle.flush();
  } catch (error) {
    throw storageError(error, name);
  } finally {
    handle.close();
  }
}

/** Its text, or undefined when it is not there. */
export async function readText(folder: FileSystemDirectoryHandle, name: string): Promise<string | undefined> {
  try {
    return await (await (await folder.getFileHandle(name)).getFile()).text();
  } catch {
    return undefined;
  }
}

/** Bytes of a file; undefined when it is not there. */
export async function sizeOf(folder: FileSystemDirectoryHandle, name: string): Promise<number | undefined> {
  try {
    return (await (await folder.getFileHandle(name)).getFile()).size;
  } catch {
    return undefined;
  }
}

export function writeAll(handle: SyncAccessHandle, bytes: Uint8Array, at: number): void {
  for (let done = 0; done < bytes.length; ) {
    const written = handle.write(bytes.subarray(done), { at: at + done });
    if (written === 0) throw new DOMException('Nothing more is written.', 'QuotaExceededError');
    done += written;
  }
}

/** What the browser said, as a PixelError: `storage-full`, `file-not-found` or `io`. */
export function storageError(error: unknown, name: string): PixelError {
  if (error instanceof PixelError) return error;
  const kind = error instanceof Error ? error.name : '';
  const reason = error instanceof Error ? error.message : String(error);
  if (kind === 'QuotaExceededError') {
    const advice = 'remove models that are no longer needed, or make room on the disk';
    return new PixelError(
      'storage-full',
      `The browser has no room left for ${name.startsWith('.') ? 'models' : name}: ${advice}.`,
      { cause: error },
    );
  }
  if (kind === 'NotFoundError') return new PixelError('file-not-found', `${name} is not kept here.`, { cause: error });
  return new PixelError('io', `The browser's storage refused ${name}: ${reason}`, { cause: error });
}
