/**
 * One SQLite connection: opened in WAL mode so that several processes read while one writes, brought to the newest version, with
 * statements prepared once. A writing transaction takes the write lock at its start, so that it can wait for its turn and never
 * fails half-way because somebody else wrote in between.
 */
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import { CoachError } from '../core/errors.ts';
import { MIGRATIONS } from './schema.ts';

/** "PXCO": says that a database is a coach's. */
const APPLICATION_ID = 0x5058434f;
/** How long to wait for other processes' transactions, which take milliseconds. */
const BUSY_MILLISECONDS = 30_000;

export type Row = Record<string, unknown>;

export class Database {
  readonly #database: DatabaseSync;
  readonly #statements: Map<string, StatementSync> = new Map();

  /** Opens or creates the file. Throws `bad-store` for what is no coach's database, or one of a newer version; `io`. */
  constructor(path: string) {
    try {
      this.#database = new DatabaseSync(path, { timeout: BUSY_MILLISECONDS });
    } catch (cause) {
      throw new CoachError('io', `${path} cannot be opened: ${messageOf(cause)}.`, { cause });
    }
    try {
      this.#prepareFile(path);
    } catch (cause) {
      this.#database.close();
      if (cause instanceof CoachError) throw cause;
      throw new CoachError('bad-store', `${path} is not a usable database: ${messageOf(cause)}.`, { cause });
    }
  }

  run(sql: string, ...parameters: SQLInputValue[]): { changes: number; lastInsertRowid: number } {
    const { changes, lastInsertRowid } = this.#statement(sql).run(...parameters);
    return { changes: Number(changes), lastInsertRowid: Number(lastInsertRowid) };
  }

  get(sql: string, ...parameters: SQLInputValue[]): Row | undefined {
    return this.#statement(sql).get(...parameters);
  }

  all(sql: string, ...parameters: SQLInputValue[]): Row[] {
    return this.#statement(sql).all(...parameters);
  }

  /** Runs `work` as one writing transaction: all of it, or, when it throws, nothing. Not to be nested. */
  write<T>(work: () => T): T {
    this.#database.exec('BEGIN IMMEDIATE');
    try {
      const result = work();
      this.#database.exec('COMMIT');
      return result;
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
      throw error;
    }
  }

  close(): void {
    this.#statements.clear();
    if (this.#database.isOpen) this.#database.close();
  }

  #statement(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#database.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  #prepareFile(path: string): void {
    this.#useWriteAheadLog();
    // In WAL mode NORMAL keeps every transaction when a process dies; only a loss of power may take the last ones back.
    this.#database.exec('PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY');
    if (this.#pragma('user_version') === MIGRATIONS.length) this.#checkOwner(path);
    else this.#migrate(path);
  }

  /** Turning the log on takes an exclusive lock for a moment and does not wait for it by itself. */
  #useWriteAheadLog(): void {
    for (const begun = Date.now(); ; ) {
      try {
        this.#database.exec('PRAGMA journal_mode = WAL');
        return;
      } catch (error) {
        if (!/locked|busy/i.test(messageOf(error)) || Date.now() - begun > BUSY_MILLISECONDS) throw error;
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
      }
    }
  }

  #migrate(path: string): void {
    this.write(() => {
      // Read again: another process may have migrated while this one waited for the lock.
      const version = this.#pragma('user_version');
      if (version > MIGRATIONS.length)
        throw new CoachError(
          'bad-store',
          `${path} was written by a newer pixel-coach (version ${version}); update it.`,
        );
      if (version > 0 || this.#tableCount() > 0) this.#checkOwner(path);
      for (const migration of MIGRATIONS.slice(version)) this.#database.exec(migration);
      this.#database.exec(`PRAGMA user_version = ${MIGRATIONS.length}; PRAGMA application_id = ${APPLICATION_ID}`);
    });
  }

  #checkOwner(path: string): void {
    if (this.#pragma('application_id') !== APPLICATION_ID)
      throw new CoachError('bad-store', `${path} is a database of another program.`);
  }

  #tableCount(): number {
    return Number(this.get('SELECT count(*) AS count FROM sqlite_schema')?.count);
  }

  #pragma(name: string): number {
    return Number(this.#database.prepare(`PRAGMA ${name}`).get()?.[name]);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
