/**
 * The tables of a map, as a list of migrations: entry n brings a map from version n to n + 1 (PRAGMA user_version). An entry that was
 * released is never edited; a change is a new entry.
 *
 * Blocks have numbers that are never used again, so that readers may keep what they have read. A tile that is written anew gets a
 * new block.
 */
export const MAP_MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE head (id TEXT NOT NULL, tile_size INTEGER NOT NULL, catalog INTEGER NOT NULL, regions INTEGER NOT NULL) STRICT;
  CREATE TABLE overlays (
    sheet INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    region TEXT,
    metadata TEXT NOT NULL,
    complete INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE tiles (
    sheet INTEGER NOT NULL,
    y INTEGER NOT NULL,
    x INTEGER NOT NULL,
    block INTEGER NOT NULL,
    PRIMARY KEY (sheet, y, x)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE blocks (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    crc INTEGER NOT NULL,
    written BLOB,
    pixels BLOB NOT NULL
  ) STRICT;
  CREATE TABLE regions (
    name TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    x INTEGER NOT NULL,
    y INTEGER NOT NULL,
    width INTEGER NOT NULL,
    height INTEGER NOT NULL,
    metadata TEXT NOT NULL,
    mount TEXT
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX mounts ON regions (name) WHERE mount IS NOT NULL;
  `,
];

/** "PXMP": says that a database is a map. */
export const MAP_APPLICATION_ID = 0x50584d50;
/** Holds a tile of 64 x 64 in two pages; tried from 4096 to 65536, see bench/map.ts. */
export const MAP_PAGE_BYTES = 16_384;
