/** Lines of memory asked for before they are needed. */
import { PAIRS } from './dot';

/** How far ahead lines are touched. Memory after the last weight must reach this far, twice. */
@inline
const AHEAD: usize = 640;

/**
 * Every 512 bytes or so, the eight lines AHEAD; five-bit blocks need ten, six-bit ones twelve. It helps on Intel's processors and halves
 * the speed on AMD's, whose prefetchers follow two streams by themselves: those that sum in pairs are left alone.
 */
@inline
export function touch(bits: i32, way: i32, block: i32, p: usize): void {
  if (way === PAIRS || block & (bits === 8 ? 3 : 7)) return;
  load<u8>(p, AHEAD);
  load<u8>(p, AHEAD + 64);
  load<u8>(p, AHEAD + 128);
  load<u8>(p, AHEAD + 192);
  load<u8>(p, AHEAD + 256);
  load<u8>(p, AHEAD + 320);
  load<u8>(p, AHEAD + 384);
  load<u8>(p, AHEAD + 448);
  if (bits !== 5 && bits !== 6) return;
  load<u8>(p, AHEAD + 512);
  load<u8>(p, AHEAD + 576);
  if (bits === 5) return;
  load<u8>(p, AHEAD + 640);
  load<u8>(p, AHEAD + 704);
}
