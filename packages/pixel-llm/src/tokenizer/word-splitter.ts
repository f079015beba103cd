/** Cuts a text into the words within which byte-pair merging happens, by a pre-tokenizer's patterns. */
import { PixelError } from '../core/errors.ts';

/** A word is text[start, end). */
export type VisitWord = (text: string, start: number, end: number) => void;

/**
 * Applies the patterns one after the other, each to the pieces the one before left: its matches and the gaps between them.
 * A sticky pattern promises to leave no gaps. Throws `limit-exceeded` when a run of one kind of character is longer than the
 * regular expression engine can take (millions).
 */
export function splitWords(text: string, patterns: readonly RegExp[], visit: VisitWord): void {
  try {
    split(text, patterns, 0, visit);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new PixelError('limit-exceeded', 'The text has an unbroken run of characters too long to tokenize.', {
      cause: error,
    });
  }
}

function split(text: string, patterns: readonly RegExp[], index: number, visit: VisitWord): void {
  const pattern = patterns[index];
  if (pattern === undefined) {
    visit(text, 0, text.length);
    return;
  }
  // A look-ahead must not see beyond the piece, so a further pattern is given the piece alone.
  const isLast = index === patterns.length - 1;
  const take: VisitWord = isLast
    ? visit
    : (whole, start, end) => split(whole.slice(start, end), patterns, index + 1, visit);
  pattern.lastIndex = 0;
  if (pattern.sticky) takeAll(text, pattern, take);
  else takeMatchesAndGaps(text, pattern, take);
}

/** `test` makes no array and no substring, which is half of the time of tokenizing. */
function takeAll(text: string, pattern: RegExp, take: VisitWord): void {
  for (let start = 0; start < text.length; ) {
    const end = pattern.test(text) ? pattern.lastIndex : text.length;
    take(text, start, end);
    start = end;
  }
}

function takeMatchesAndGaps(text: string, pattern: RegExp, take: VisitWord): void {
  let end = 0;
  for (let match = pattern.exec(text); match; match = pattern.exec(text)) {
    if (match.index > end) take(text, end, match.index);
    end = match.index + match[0].length;
    take(text, match.index, end);
  }
  if (end < text.length) take(text, end, text.length);
}
