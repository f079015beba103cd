/**
 * Memory whose Adler-32 is computed at several times the speed of JavaScript: a WebAssembly memory, and beside it one
 * function of 16 bytes a step, assembled here by hand since there is nothing else to it.
 *
 * Adler-32 (RFC 1950) keeps a = 1 + sum of bytes and b = sum of all a's. Over a block of n bytes in vectors of 16:
 *     b += n a + 16 (sum over vectors of the bytes before it) + (sum of byte x (16 - its place in the vector)), a += sum
 */
import { adler32 } from '../core/hashing.ts';

export interface AdlerMemory {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Adler-32 of bytes [offset, offset + length), both multiples of 16; `previous` continues a running one. */
  adler32(offset: number, length: number, previous: number): number;
}

const PAGE_BYTES = 65_536;

/** At least `byteLength` bytes of memory. */
export function createAdlerMemory(byteLength: number): AdlerMemory {
  const pages = Math.ceil(byteLength / PAGE_BYTES);
  try {
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    const { exports } = new WebAssembly.Instance(compiled(), { m: { m: memory } });
    const run = exports.a as (offset: number, length: number, previous: number) => number;
    return {
      bytes: new Uint8Array(memory.buffer as ArrayBuffer),
      adler32: (offset, length, previous) => run(offset, length, previous) >>> 0,
    };
  } catch {
    // No WebAssembly, or none with SIMD: slower, the same numbers.
    const bytes = new Uint8Array(pages * PAGE_BYTES);
    return {
      bytes,
      adler32: (offset, length, previous) => adler32(bytes.subarray(offset, offset + length), previous),
    };
  }
}

let module: WebAssembly.Module | undefined;

function compiled(): WebAssembly.Module {
  module ??= new WebAssembly.Module(Uint8Array.from(assemble()));
  return module;
}

const I32 = 0x7f;
const V128 = 0x7b;
/** Locals: the three parameters, then the function's own. */
const [P, N, A, B, END, STOP, SUM, BEFORE, WEIGHTED, V] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
/** Bytes a block: the most whose sums fit 32 bits (zlib's NMAX), 347 vectors. */
const BLOCK = [0xb0, 0x2b];
/** 65521, the modulus. */
const MODULUS = [0xf1, 0xff, 0x03];

const get = (local: number) => [0x20, local];
const set = (local: number) => [0x21, local];
const tee = (local: number) => [0x22, local];
const constant = (...leb: number[]) => [0x41, ...leb];
const add = [0x6a];
const multiply = [0x6c];
const remainder = [0x70];
const vectorAdd = [0xfd, 0xae, 0x01];
const extendLow = [0xfd, 0x89, 0x01];
const extendHigh = [0xfd, 0x8a, 0x01];
const dot = [0xfd, 0xba, 0x01];
const sumPairsOfBytes = [0xfd, 0x7d];
const sumPairsOfWords = [0xfd, 0x7f];
/** Eight 16-bit weights, first to last. */
const weights = (first: number) => [0xfd, 0x0c, ...Array.from({ length: 8 }, (_, i) => [first - i, 0]).flat()];
const zeroVector = [0xfd, 0x0c, ...new Array<number>(16).fill(0)];
/** The four lanes of a vector, added. */
const lanes = (local: number) =>
  [0, 1, 2, 3].flatMap((lane) => [...get(local), 0xfd, 0x1b, lane, ...(lane === 0 ? [] : add)]);

/** (offset, length, previous) -> Adler-32 */
function functionBody(): number[] {
  return [
    // b = previous >>> 16; a = previous & 0xffff; end = offset + length
    ...[...get(A), ...constant(16), 0x76, ...set(B)],
    ...[...get(A), ...constant(0xff, 0xff, 0x03), 0x71, ...set(A)],
    ...[...get(P), ...get(N), ...add, ...set(END)],
    ...[0x02, 0x40, 0x03, 0x40], // block, loop: one block of bytes a turn
    ...[...get(P), ...get(END), 0x4f, 0x0d, 1], // leave when p >= end
    // stop = min(p + BLOCK, end)
    ...[...get(P), ...constant(...BLOCK), ...add, ...tee(STOP), ...get(END)],
    ...[...get(STOP), ...get(END), 0x49, 0x1b, ...set(STOP)],
    // b += (stop - p) a
    ...[...get(B), ...get(STOP), ...get(P), 0x6b, ...get(A), ...multiply, ...add, ...set(B)],
    ...[SUM, BEFORE, WEIGHTED].flatMap((local) => [...zeroVector, ...set(local!)]),
    ...[0x03, 0x40], // loop: one vector a turn
    ...[...get(BEFORE), ...get(SUM), ...vectorAdd, ...set(BEFORE)],
    ...[...get(P), 0xfd, 0x00, 4, 0, ...tee(V)],
    ...[...sumPairsOfBytes, ...sumPairsOfWords, ...get(SUM), ...vectorAdd, ...set(SUM)],
    ...[...get(V), ...extendLow, ...weights(16), ...dot],
    ...[...get(V), ...extendHigh, ...weights(8), ...dot],
    ...[...vectorAdd, ...get(WEIGHTED), ...vectorAdd, ...set(WEIGHTED)],
    ...[...get(P), ...constant(16), ...add, ...tee(P), ...get(STOP), 0x49, 0x0d, 0], // again while p < stop
    0x0b,
    // a = (a + sum) % 65521; b = (b + 16 before + weighted) % 65521
    ...[...get(A), ...lanes(SUM), ...add, ...constant(...MODULUS), ...remainder, ...set(A)],
    ...[...get(B), ...lanes(BEFORE), ...constant(4), 0x74, ...add, ...lanes(WEIGHTED), ...add],
    ...[...constant(...MODULUS), ...remainder, ...set(B)],
    ...[0x0c, 0, 0x0b, 0x0b], // next block
    ...[...get(B), ...constant(16), 0x74, ...get(A), 0x72, 0x0b], // b << 16 | a
  ];
}

/** A module that imports memory m.m and exports the function as `a` (WebAssembly core specification, section 5). */
function assemble(): number[] {
  const body = [2, 3, I32, 4, V128, ...functionBody()];
  const section = (id: number, content: number[]) => [id, ...unsignedLeb(content.length), ...content];
  return [
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [1, 0x60, 3, I32, I32, I32, 1, I32]),
    ...section(2, [1, 1, 0x6d, 1, 0x6d, 2, 0, 1]),
    ...section(3, [1, 0]),
    ...section(7, [1, 1, 0x61, 0, 0]),
    ...section(10, [1, ...unsignedLeb(body.length), ...body]),
  ];
}

function unsignedLeb(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...unsignedLeb(value >>> 7)];
}
