/** Finding the JSON object in what a model wrote: alone, in a code fence, or between sentences. */

/** Objects longer than this are not looked at. */
const MAX_CHARACTERS = 1_000_000;
/** Opening braces that are tried. */
const MAX_STARTS = 64;

/** The first JSON object of the text; undefined when none parses. */
export function findJsonObject(text: string): unknown {
  if (text.length > MAX_CHARACTERS) return undefined;
  let start = text.indexOf('{');
  for (let tries = 0; start >= 0 && tries < MAX_STARTS; tries++) {
    const end = closingBrace(text, start);
    if (end !== undefined) {
      try {
        return JSON.parse(text.slice(start, end + 1));
      } catch {
        // A brace in a sentence; the object may come later.
      }
    }
    start = text.indexOf('{', start + 1);
  }
  return undefined;
}

/** The brace that closes the one at `start`; braces in strings do not count. */
function closingBrace(text: string, start: number): number | undefined {
  let depth = 0;
  let inString = false;
  for (let at = start; at < text.length; at++) {
    const character = text[at];
    if (inString) {
      if (character === '\\') at++;
      else if (character === '"') inString = false;
    } else if (character === '"') inString = true;
    else if (character === '{') depth++;
    else if (character === '}' && --depth === 0) return at;
  }
  return undefined;
}
