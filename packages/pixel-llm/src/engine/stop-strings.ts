/**
 * Stop strings over a stream of text: what may be shown goes on at once, what could be the start of a stop string waits. The
 * answer depends on the text alone, not on how it is cut into pieces: the stop string that ends first wins.
 */
import { PixelError } from '../core/errors.ts';

export interface StopMatcher {
  /** The text that may be shown now. Nothing is shown any more once `stopped` is set. */
  push(text: string): string;
  /** What still waits, when the text ends without a stop string. */
  flush(): string;
  /** The stop string that was met. */
  readonly stopped: string | undefined;
}

/** Throws `bad-argument` for an empty stop string. */
export function createStopMatcher(stops: readonly string[]): StopMatcher {
  for (const stop of stops) {
    if (typeof stop !== 'string' || stop === '')
      throw new PixelError('bad-argument', 'A stop string must be a text that is not empty.');
  }
  let held = '';
  let stopped: string | undefined;
  return {
    push(text) {
      if (stopped !== undefined) return '';
      held += text;
      const found = firstToEnd(held, stops);
      if (found) {
        stopped = found.stop;
        const shown = held.slice(0, found.start);
        held = '';
        return shown;
      }
      const kept = possibleStart(held, stops);
      const shown = held.slice(0, held.length - kept);
      held = held.slice(held.length - kept);
      return shown;
    },
    flush() {
      const rest = held;
      held = '';
      return rest;
    },
    get stopped() {
      return stopped;
    },
  };
}

/** The stop string whose end comes first in the text; of two that end together, the longer. */
function firstToEnd(text: string, stops: readonly string[]): { stop: string; start: number } | undefined {
  let best: { stop: string; start: number; end: number } | undefined;
  for (const stop of stops) {
    const start = text.indexOf(stop);
    const end = start + stop.length;
    if (start < 0) continue;
    if (!best || end < best.end || (end === best.end && start < best.start)) best = { stop, start, end };
  }
  return best;
}

/** Length of the longest end of the text that is the start of a stop string. */
function possibleStart(text: string, stops: readonly string[]): number {
  let longest = 0;
  for (const stop of stops) {
    for (let length = Math.min(stop.length - 1, text.length); length > longest; length--) {
      if (text.endsWith(stop.slice(0, length))) longest = length;
    }
  }
  return longest;
}
