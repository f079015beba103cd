/**
 * CRC-32, Adler-32 and SHA-256, incremental. In Node the runtime's own native ones are used (core/node.ts installs them);
 * elsewhere the portable ones below.
 */
import { sha256 } from '@noble/hashes/sha2.js';

export interface Hasher {
  update(bytes: Uint8Array): void;
  /** Lower-case hexadecimal; the hasher is spent afterwards. */
  digestHex(): string;
}

interface HashFunctions {
  crc32(bytes: Uint8Array, previous: number): number;
  createSha256(): Hasher;
}

const CRC_TABLE: Uint32Array = makeCrcTable();

const portable: HashFunctions = {
  crc32(bytes, previous) {
    let crc = ~previous;
    for (let i = 0; i < bytes.length; i++) crc = CRC_TABLE[(crc ^ bytes[i]!) & 255]! ^ (crc >>> 8);
    return ~crc >>> 0;
  },
  createSha256() {
    const state = sha256.create();
    return {
      update: (bytes) => void state.update(bytes),
      digestHex: () => Array.from(state.digest(), (byte) => byte.toString(16).padStart(2, '0')).join(''),
    };
  },
};

let installed: HashFunctions = portable;

/** Replaces the portable functions by native ones: called once, by core/node.ts. */
export function installHashFunctions(functions: HashFunctions): void {
  installed = functions;
}

/** CRC-32 as in PNG (ISO 3309); `previous` continues a running one. Returns an unsigned 32-bit integer. */
export function crc32(bytes: Uint8Array, previous = 0): number {
  return installed.crc32(bytes, previous);
}

export function createSha256(): Hasher {
  return installed.createSha256();
}

const ADLER_BASE = 65_521;
/** The most bytes whose sums fit 32 bits before they must be reduced (RFC 1950's reference code calls it NMAX). */
const ADLER_BLOCK = 5552;

/** Adler-32 as in zlib (RFC 1950); `previous` continues a running one. Returns an unsigned 32-bit integer. */
export function adler32(bytes: Uint8Array, previous = 1): number {
  let a = previous & 0xffff;
  let b = previous >>> 16;
  for (let i = 0; i < bytes.length; ) {
    const end = Math.min(bytes.length, i + ADLER_BLOCK);
    while (i < end) {
      a += bytes[i++]!;
      b += a;
    }
    a %= ADLER_BASE;
    b %= ADLER_BASE;
  }
  return ((b << 16) | a) >>> 0;
}

/** The Adler-32 of two byte strings, one after the other, from the Adler-32 of each and the second one's length. */
export function combineAdler32(first: number, second: number, secondLength: number): number {
  const a = (first & 0xffff) + (second & 0xffff) + ADLER_BASE - 1;
  const carried = ((secondLength % ADLER_BASE) * ((first & 0xffff) + ADLER_BASE - 1)) % ADLER_BASE;
  const b = (first >>> 16) + (second >>> 16) + carried;
  return (((b % ADLER_BASE) << 16) | (a % ADLER_BASE)) >>> 0;
}

function makeCrcTable(): Uint32Array {
  const table = new Uint32Array(256);
  for (let n = 0; n < 256; n++) {
    let c = n;
    for (let k = 0; k < 8; k++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
    table[n] = c >>> 0;
  }
  return table;
}
