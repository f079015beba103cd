/**
 * The SQLite of Node under a map: opened in WAL mode, so that several processes read while one writes, brought to the newest version,
 * and every failure a PixelError that says what to do. A writing transaction takes the lock at its start and waits for its turn.
 */
import { accessSync, constants, existsSync, linkSync, rmSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import { PixelError } from '../../core/errors.ts';
import { fileError } from '../../core/node.ts';
import { checkTileSize, TILE_SIZES } from '../coordinates.ts';
import type { SqlConnection, SqlRow, SqlValue } from '../sql-connection.ts';
import { MAP_APPLICATION_ID, MAP_MIGRATIONS, MAP_PAGE_BYTES } from '../sqlite-schema.ts';
import { SqliteTileStore } from '../sqlite-tile-store.ts';

/** How long to wait for other processes' transactions, which take milliseconds. */
const BUSY_MILLISECONDS = 30_000;
/** The log is folded into the file when it has grown to this. */
const LOG_BYTES = 64 << 20;
const CACHE_KIBIBYTES = 16_384;

export interface OpenMapFileOptions {
  /** Nothing will be written. Default: so where the file cannot be written. */
  readonly readOnly?: boolean | undefined;
  /** Milliseconds to wait for other processes. Default: 30 seconds. */
  readonly busyMilliseconds?: number | undefined;
}

/**
 * Makes a new map. It appears under its name when it is whole.
 * Throws `file-exists`, `file-not-found` (no such folder), `read-only` (a folder that cannot be written), `io`, and `bad-argument` for a tile size that is none.
 */
export function createMapFile(
  path: string,
  { tileSize = TILE_SIZES.usual }: { tileSize?: number | undefined } = {},
): void {
  checkTileSize(tileSize);
  if (existsSync(path)) throw mapExists(path);
  if (!statSync(dirname(path), { throwIfNoEntry: false })?.isDirectory())
    throw new PixelError('file-not-found', `${path} cannot be made: ${dirname(path)} is no folder; make it first.`);
  const temporary = join(dirname(path), `.${basename(path).slice(0, 40)}.${crypto.randomUUID().slice(0, 8)}.part`);
  try {
    const connection = new NodeConnection(temporary, { isNew: true, calledAs: path });
    connection.run('INSERT INTO head VALUES (?, ?, 1, 1)', crypto.randomUUID(), tileSize);
    connection.close();
    linkSync(temporary, path);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') throw mapExists(path);
    throw error instanceof PixelError ? error : fileError(error, path);
  } finally {
    for (const ending of ['', '-wal', '-shm']) rmSync(temporary + ending, { force: true });
  }
}

function mapExists(path: string): PixelError {
  return new PixelError('file-exists', `${path} is there already: take another name, or remove it.`);
}

/** Opens a map. Throws `file-not-found`, `bad-map`, `map-busy`, `io`. */
export function openSqliteTileStore(path: string, options: OpenMapFileOptions = {}): SqliteTileStore {
  const connection = new NodeConnection(path, options);
  try {
    return new SqliteTileStore(connection);
  } catch (error) {
    connection.close();
    throw error;
  }
}

interface ConnectionOptions extends OpenMapFileOptions {
  readonly isNew?: boolean;
  /** The path to name in messages, where it is another one. */
  readonly calledAs?: string;
}

class NodeConnection implements SqlConnection {
  readonly name: string;
  readonly isWritable: boolean;
  readonly #busyMilliseconds: number;
  readonly #database: DatabaseSync;
  readonly #statements: Map<string, StatementSync> = new Map();
  /** Within a transaction: another one begins nothing of its own. */
  #isInside = false;

  constructor(
    path: string,
    { readOnly = false, busyMilliseconds = BUSY_MILLISECONDS, isNew = false, calledAs = path }: ConnectionOptions,
  ) {
    this.name = calledAs;
    this.#busyMilliseconds = busyMilliseconds;
    if (!isNew) checkFile(path);
    const { database, isWritable } = this.#retrying(() => open(path, { readOnly, busyMilliseconds, isNew }));
    this.#database = database;
    this.isWritable = isWritable;
    try {
      this.#retrying(() => this.#prepare(isNew));
    } catch (error) {
      this.#database.close();
      throw error;
    }
  }

  run(sql: string, ...parameters: SqlValue[]): { changes: number; lastInsertRowid: number } {
    const { changes, lastInsertRowid } = this.#describing(() => this.#statement(sql).run(...parameters));
    return { changes: Number(changes), lastInsertRowid: Number(lastInsertRowid) };
  }

  get(sql: string, ...parameters: SqlValue[]): SqlRow | undefined {
    return this.#describing(() => this.#statement(sql).get(...parameters)) as unknown as SqlRow | undefined;
  }

  all(sql: string, ...parameters: SqlValue[]): SqlRow[] {
    return this.#describing(() => this.#statement(sql).all(...parameters)) as unknown as SqlRow[];
  }

  read<T>(work: () => T): T {
    if (this.#isInside) return work();
    return this.#retrying(() => this.#transaction('BEGIN', work));
  }

  write<T>(work: () => T): T {
    if (!this.isWritable) throw readOnlyMap(this.name);
    return this.#retrying(() => this.#transaction('BEGIN IMMEDIATE', work));
  }

  openMoment(): SqlConnection {
    const moment = new NodeConnection(this.name, { readOnly: true, busyMilliseconds: this.#busyMilliseconds });
    try {
      moment.#begin();
      return moment;
    } catch (error) {
      moment.close();
      throw error;
    }
  }

  fileBytes(): number {
    let bytes = 0;
    for (const ending of ['', '-wal']) bytes += statSync(this.name + ending, { throwIfNoEntry: false })?.size ?? 0;
    return bytes;
  }

  close(): void {
    this.#statements.clear();
    if (this.#database.isOpen) this.#database.close();
  }

  /** Everything read from now on is of this moment. */
  #begin(): void {
    this.#retrying(() => this.#database.exec('BEGIN'));
    this.#isInside = true;
    // The moment is that of the first read.
    this.get('SELECT id FROM head');
  }

  #transaction<T>(begin: string, work: () => T): T {
    this.#database.exec(begin);
    this.#isInside = true;
    try {
      const result = work();
      this.#database.exec('COMMIT');
      return result;
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
      throw error;
    } finally {
      this.#isInside = false;
    }
  }

  #statement(sql: string): StatementSync {
    if (!this.#database.isOpen) throw new PixelError('disposed', `${this.name} was closed.`);
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#database.prepare(sql);
      statement.setReturnArrays(true);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  #prepare(isNew: boolean): void {
    const database = this.#database;
    if (this.isWritable) {
      if (!isNew) this.#checkOwner();
      database.exec('PRAGMA journal_mode = WAL');
      // With the log, NORMAL keeps every commit when a process dies; only a loss of power may take the last ones back, whole.
      database.exec(`PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = ${LOG_BYTES / MAP_PAGE_BYTES}`);
      database.exec(`PRAGMA journal_size_limit = ${LOG_BYTES}`);
    }
    database.exec(`PRAGMA cache_size = -${CACHE_KIBIBYTES}; PRAGMA temp_store = MEMORY`);
    if (isNew || this.#pragma('user_version') !== MAP_MIGRATIONS.length) this.#migrate(isNew);
    else this.#checkOwner();
  }

  #migrate(isNew: boolean): void {
    const version = this.#pragma('user_version');
    if (!isNew) this.#checkOwner();
    if (version > MAP_MIGRATIONS.length)
      throw new PixelError(
        'bad-map',
        `${this.name} was written by a newer pixel-llm (map version ${version}, known here: ${MAP_MIGRATIONS.length}): update pixel-llm.`,
      );
    if (!this.isWritable)
      throw new PixelError(
        'read-only',
        `${this.name} is of an older version (${version}) and cannot be brought up to date where it lies: copy it to a place that can be written.`,
      );
    this.#transaction('BEGIN IMMEDIATE', () => {
      // Read again: another process may have migrated while this one waited for the lock.
      for (const migration of MAP_MIGRATIONS.slice(this.#pragma('user_version'))) this.#database.exec(migration);
      this.#database.exec(
        `PRAGMA user_version = ${MAP_MIGRATIONS.length}; PRAGMA application_id = ${MAP_APPLICATION_ID}`,
      );
    });
  }

  #checkOwner(): void {
    if (this.#pragma('application_id') !== MAP_APPLICATION_ID)
      throw new PixelError(
        'bad-map',
        `${this.name} is a database of another program, not a map; \`map create\` makes one.`,
      );
  }

  #pragma(name: string): number {
    return Number(this.#database.prepare(`PRAGMA ${name}`).get()?.[name]);
  }

  /** SQLite waits by itself for most locks, not for all (turning the log on, recovering it): those are tried again. */
  #retrying<T>(work: () => T): T {
    for (const begun = Date.now(); ; ) {
      try {
        return work();
      } catch (error) {
        const failure = describeFailure(error, this.name);
        const isBusy = failure instanceof PixelError && failure.code === 'map-busy';
        if (!isBusy || Date.now() - begun > this.#busyMilliseconds) throw failure;
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
      }
    }
  }

  #describing<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw describeFailure(error, this.name);
    }
  }
}

const MAGIC = 'SQLite format 3\0';

/** What SQLite would take for a new, empty database, or say in its own words. */
function checkFile(path: string): void {
  const facts = statSync(path, { throwIfNoEntry: false });
  if (!facts) throw new PixelError('file-not-found', `${path} does not exist; \`map create\` makes a map.`);
  if (!facts.isFile()) throw new PixelError('bad-argument', `${path} is not a file.`);
  if (facts.size < MAGIC.length)
    throw new PixelError('bad-map', `${path} is no map: it has only ${facts.size} bytes (was it cut short?).`);
}

interface OpenedDatabase {
  readonly database: DatabaseSync;
  readonly isWritable: boolean;
}

/** Where the folder or the file cannot be written, the file is read as it stands. */
function open(
  path: string,
  { readOnly, busyMilliseconds, isNew }: { readOnly: boolean; busyMilliseconds: number; isNew: boolean },
): OpenedDatabase {
  const settings = { timeout: busyMilliseconds };
  // The system is asked, not SQLite: that would wait for whoever is writing, and on a file without the right to write it says nothing.
  if (!readOnly && (isNew || (mayWrite(path) && mayWrite(dirname(path))))) {
    const database = new DatabaseSync(path, settings);
    // The size of pages can be chosen only before the first transaction.
    if (isNew) database.exec(`PRAGMA page_size = ${MAP_PAGE_BYTES}`);
    return { database, isWritable: true };
  }
  const database = new DatabaseSync(path, { ...settings, readOnly: true });
  try {
    database.prepare('PRAGMA schema_version').get();
    return { database, isWritable: false };
  } catch (error) {
    database.close();
    // The log's index cannot be made in a folder that is read-only. Without a log the file alone is the whole map.
    if (!isReadOnlyFailure(error) || existsSync(`${path}-wal`)) throw error;
    const frozen = pathToFileURL(path);
    frozen.searchParams.set('immutable', '1');
    return { database: new DatabaseSync(frozen, { ...settings, readOnly: true }), isWritable: false };
  }
}

function mayWrite(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** Primary result codes of SQLite (sqlite.org/rescode.html). */
const [BUSY, LOCKED, READONLY, IOERR, CORRUPT, FULL, CANTOPEN, NOTADB] = [5, 6, 8, 10, 11, 13, 14, 26];

function resultCode(error: unknown): number | undefined {
  // A whole number beyond 2^53 that SQLite holds and Node cannot hand over; nothing here writes one.
  if (error instanceof RangeError && 'code' in error && error.code === 'ERR_OUT_OF_RANGE') return CORRUPT;
  const isSqlite = error instanceof Error && 'errcode' in error && typeof error.errcode === 'number';
  return isSqlite ? (error.errcode as number) & 255 : undefined;
}

function isReadOnlyFailure(error: unknown): boolean {
  const code = resultCode(error);
  return code === READONLY || code === CANTOPEN;
}

/** What SQLite said, in this project's words; what is none of SQLite's stays as it is. */
function describeFailure(error: unknown, path: string): unknown {
  const code = resultCode(error);
  if (error instanceof PixelError || code === undefined) return error;
  const cause = { cause: error };
  const said = (error as Error).message;
  switch (code) {
    case BUSY:
    case LOCKED:
      return new PixelError('map-busy', `${path} was locked by other processes for too long: try again.`, cause);
    case READONLY:
      return readOnlyMap(path, cause);
    case FULL:
      return new PixelError(
        'io',
        `${path}: the disk is full. Nothing of this change was written, and nothing is lost: make room and do it again.`,
        cause,
      );
    case CANTOPEN:
      return cannotOpen(path, cause);
    case NOTADB:
      return new PixelError('bad-map', `${path} is no map; \`map create\` makes one.`, cause);
    case CORRUPT:
      return new PixelError(
        'bad-map',
        `${path} is damaged or was cut short (${said}): take it from a copy. The pictures mounted on it are not touched.`,
        cause,
      );
    case IOERR:
      return new PixelError(
        'io',
        `${path} could not be read or written (${said}); nothing of this change was written.`,
        cause,
      );
    default:
      return new PixelError('bad-map', `${path} cannot be used as a map (${said}).`, cause);
  }
}

function cannotOpen(path: string, options: { cause: unknown }): PixelError {
  if (!existsSync(path))
    return new PixelError(
      'read-only',
      `${path} cannot be made: its folder cannot be written; choose another.`,
      options,
    );
  if (existsSync(`${path}-wal`))
    return new PixelError(
      'read-only',
      `${path} was not closed (${path}-wal lies beside it), and its folder cannot be written: copy both to a place of your own.`,
      options,
    );
  return new PixelError('file-not-found', `${path} cannot be opened: ask for the right to read it.`, options);
}

function readOnlyMap(path: string, options: { cause?: unknown } = {}): PixelError {
  return new PixelError(
    'read-only',
    `${path} cannot be written where it lies: copy it to a place of your own, or ask for the right to write it.`,
    options,
  );
}
