/** What a SQLite connection has to offer to sqlite-tile-store.ts. Node's stands in sqlite/node.ts. All of it is synchronous. */

export type SqlValue = number | string | null | Uint8Array;
export type SqlRow = readonly unknown[];

export interface SqlConnection {
  /** The path. */
  readonly name: string;
  readonly isWritable: boolean;
  run(sql: string, ...parameters: SqlValue[]): { changes: number; lastInsertRowid: number };
  get(sql: string, ...parameters: SqlValue[]): SqlRow | undefined;
  all(sql: string, ...parameters: SqlValue[]): SqlRow[];
  /** Everything that `work` reads is one moment of the database. */
  read<T>(work: () => T): T;
  /** All that `work` writes, or, when it throws, nothing. Waits for other writers. Throws `map-busy`, `read-only`, `io`. */
  write<T>(work: () => T): T;
  /** Another connection, which sees this moment until it is closed. */
  openMoment(): SqlConnection;
  /** Bytes on disk. */
  fileBytes(): number;
  close(): void;
}
