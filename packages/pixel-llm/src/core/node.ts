/**
 * The Node side of core/: files as byte sources and sinks. Importing it installs native hashes and text decoding.
 */
import { createHash, randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open, readlink, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { crc32 } from 'node:zlib';
import type { ByteSink } from './byte-sink.ts';
import { type ByteSource, checkRange, type ReadOptions, totalLength } from './byte-source.ts';
import { PixelError, throwIfAborted } from './errors.ts';
import { installHashFunctions } from './hashing.ts';
import { installTextDecoding } from './text-decoding.ts';

installHashFunctions({
  crc32,
  createSha256() {
    const hash = createHash('sha256');
    return { update: (bytes) => void hash.update(bytes), digestHex: () => hash.digest('hex') };
  },
});

// A vocabulary has some hundred thousand strings: this makes no view of each.
installTextDecoding((bytes) => {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  return (start, end) => buffer.toString('utf8', start, end);
});

/** The kernel takes at most 1024 buffers a call (IOV_MAX). */
const MAX_BUFFERS_A_CALL = 1024;

/** For reading, without waiting for whoever may write into a pipe of that name: it is refused. Windows has no such flag. */
const READ_FLAGS = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0);

/** Opens a file for reading. Throws `file-not-found`, `io`, and `bad-argument` for what is no file (a folder, a pipe). */
export async function openFileByteSource(path: string): Promise<ByteSource> {
  try {
    const handle = await open(path, READ_FLAGS);
    const facts = await handle.stat();
    if (!facts.isFile()) {
      await handle.close();
      throw new PixelError('bad-argument', `${path} is not a file.`);
    }
    return new FileByteSource(path, facts.size, handle);
  } catch (error) {
    throw fileError(error, path);
  }
}

class FileByteSource implements ByteSource {
  readonly name: string;
  readonly size: number;
  #handle: FileHandle | undefined;

  constructor(name: string, size: number, handle: FileHandle) {
    this.name = name;
    this.size = size;
    this.#handle = handle;
  }

  async read(offset: number, targets: readonly Uint8Array[], { signal }: ReadOptions = {}): Promise<void> {
    throwIfAborted(signal);
    checkRange(this, offset, totalLength(targets));
    const handle = this.#handle;
    if (!handle) throw new PixelError('disposed', `${this.name} was closed.`);
    try {
      await transferAll(this.name, targets, offset, (part, at) =>
        handle.readv(part, at).then((result) => result.bytesRead),
      );
    } catch (error) {
      throw fileError(error, this.name);
    }
  }

  async dispose(): Promise<void> {
    const handle = this.#handle;
    this.#handle = undefined;
    await handle?.close();
  }
}

/** Symbolic links that follow one another; more are a circle. */
const MOST_LINKS = 40;
/** Of the file's own name, so that the temporary one is no longer than a name may be (255 bytes), whatever the letters. */
const KEPT_NAME = 40;

/**
 * A file that appears under its name only when whole: written beside it under a temporary name, flushed to disk and renamed.
 * An interruption at any moment leaves the old file, or none. A symbolic link stays one: the file it leads to is written.
 * Throws `file-not-found`, `io`, and `bad-argument` for a folder, a device or a pipe: those cannot be replaced.
 */
export async function openFileByteSink(path: string, { sync = true }: { sync?: boolean } = {}): Promise<ByteSink> {
  const target = await followLinks(path);
  const old = await stat(target).catch(() => undefined);
  // Renaming would fail as well, but only after all the work; and where it does not fail, a device would be gone.
  if (old && !old.isFile()) {
    const what = old.isDirectory() ? 'a folder' : 'a device or a pipe, which cannot be replaced';
    throw new PixelError('bad-argument', `${path} is ${what}: name the file to write.`);
  }
  // Random, since a process of the same number may have left one behind when it was killed, or write beside us.
  const temporary = join(dirname(target), `.${basename(target).slice(0, KEPT_NAME)}.${randomUUID().slice(0, 8)}.part`);
  openTemporaries.add(temporary);
  try {
    // What was private stays so.
    const handle = await open(temporary, 'wx+', old ? old.mode & 0o777 : undefined);
    return new FileByteSink(path, target, temporary, handle, sync);
  } catch (error) {
    openTemporaries.delete(temporary);
    // What is missing is never the new file, but the folder it should stand in.
    throw fileError(error, isSystemError(error, 'ENOENT') ? dirname(target) : path);
  }
}

/** Where the symbolic links at a path lead, whether anything is there yet or not. */
async function followLinks(path: string): Promise<string> {
  let target = path;
  for (let links = 0; links < MOST_LINKS; links++) {
    const next = await readlink(target).catch(() => undefined);
    if (next === undefined) return target;
    target = resolve(dirname(target), next);
  }
  throw new PixelError('io', `${path} leads nowhere: its symbolic links go round in a circle.`);
}

class FileByteSink implements ByteSink {
  readonly name: string;
  readonly #target: string;
  readonly #temporary: string;
  readonly #sync: boolean;
  #handle: FileHandle | undefined;
  #length = 0;

  constructor(name: string, target: string, temporary: string, handle: FileHandle, sync: boolean) {
    this.name = name;
    this.#target = target;
    this.#temporary = temporary;
    this.#handle = handle;
    this.#sync = sync;
  }

  async write(chunks: readonly Uint8Array[]): Promise<void> {
    const handle = this.#open();
    try {
      await transferAll(this.name, chunks, this.#length, (part, at) =>
        handle.writev(part, at).then((result) => result.bytesWritten),
      );
      this.#length += totalLength(chunks);
    } catch (error) {
      throw fileError(error, this.name);
    }
  }

  async writeAt(offset: number, bytes: Uint8Array): Promise<void> {
    const handle = this.#open();
    if (offset < 0 || offset + bytes.length > this.#length) {
      throw new PixelError(
        'bad-argument',
        `${this.name}: bytes ${offset} to ${offset + bytes.length} were never written.`,
      );
    }
    try {
      await transferAll(this.name, [bytes], offset, (part, at) =>
        handle.writev(part, at).then((result) => result.bytesWritten),
      );
    } catch (error) {
      throw fileError(error, this.name);
    }
  }

  async commit(): Promise<void> {
    const handle = this.#open();
    try {
      if (this.#sync) await handle.sync();
      await handle.close();
      this.#handle = undefined;
      await rename(this.#temporary, this.#target);
      openTemporaries.delete(this.#temporary);
      if (this.#sync) await syncDirectory(dirname(this.#target));
    } catch (error) {
      throw fileError(error, this.name);
    }
  }

  async abort(): Promise<void> {
    if (!openTemporaries.delete(this.#temporary)) return;
    await this.#handle?.close().catch(() => {});
    this.#handle = undefined;
    await rm(this.#temporary, { force: true });
  }

  #open(): FileHandle {
    if (!this.#handle) throw new PixelError('disposed', `${this.name} was already written.`);
    return this.#handle;
  }
}

/** Temporary files of sinks still being written: a command that is interrupted removes them. */
const openTemporaries = new Set<string>();

/** Removes the temporary files of all unfinished sinks: for a command's signal handler. */
export async function removeTemporaryFiles(): Promise<void> {
  await Promise.all([...openTemporaries].map((path) => rm(path, { force: true })));
  openTemporaries.clear();
}

/** The file is in place by now: where folders cannot be flushed or even opened (Windows, some network disks), that is all. */
async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, 'r').catch(() => undefined);
  await handle?.sync().catch(() => {});
  await handle?.close();
}

/** Moves all of the buffers, however few bytes or buffers the kernel takes a call. */
async function transferAll(
  name: string,
  buffers: readonly Uint8Array[],
  offset: number,
  transfer: (part: Uint8Array[], at: number) => Promise<number>,
): Promise<void> {
  let index = 0;
  let skip = 0;
  let at = offset;
  while (index < buffers.length) {
    const part = buffers.slice(index, index + MAX_BUFFERS_A_CALL);
    if (skip > 0) part[0] = part[0]!.subarray(skip);
    const expected = totalLength(part);
    let moved = expected === 0 ? 0 : await transfer(part, at);
    if (moved === 0 && expected > 0) throw new PixelError('truncated', `${name} became shorter while it was read.`);
    at += moved;
    moved += skip;
    skip = 0;
    const end = index + part.length;
    while (index < end && moved >= buffers[index]!.length) moved -= buffers[index++]!.length;
    skip = moved;
  }
}

/** What the operating system said of a file, as a PixelError: `file-not-found` or `io`. */
export function fileError(error: unknown, path: string): unknown {
  if (error instanceof PixelError || !(error instanceof Error)) return error;
  if (isSystemError(error, 'ENOENT'))
    return new PixelError('file-not-found', `${path} does not exist.`, { cause: error });
  if (isSystemError(error, 'EACCES') || isSystemError(error, 'EPERM')) {
    return new PixelError('file-not-found', `${path} may not be opened: permission denied.`, { cause: error });
  }
  if (isSystemError(error, 'ENOSPC')) return new PixelError('io', `${path}: the disk is full.`, { cause: error });
  return new PixelError('io', `${path}: ${error.message}.`, { cause: error });
}

function isSystemError(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}

/** Options for a worker where this process's own would stop it: `node --input-type=module -e ...` is no way to start a file. */
export function workerArguments(): { execArgv?: string[] } {
  return process.execArgv.some((argument) => argument.startsWith('--input-type')) ? { execArgv: [] } : {};
}

/** True when something exists at the path. */
export async function pathExists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
