/** What of a failing test's output a model should read: without colours, short, with the lines that say what went wrong. */

const MOST_CHARACTERS = 8000;
const BEGINNING = 1000;
const END = 3000;
// Escape sequences of terminals.
// biome-ignore lint/suspicious/noControlCharactersInRegex: that is what they are made of
const COLOURS = /\u001b\[[0-9;?]*[A-Za-z]/g;
const TELLING =
  /error|fail|expected|actual|assert|not ok|✖|✗|panic|exception|traceback|undefined|timed? ?out|:\d+:\d+/i;

export function trimOutput(output: string, most: number = MOST_CHARACTERS): string {
  const text = output.replace(COLOURS, '').replace(/\r\n?/g, '\n').trim();
  if (text.length <= most) return text;
  const share = most / MOST_CHARACTERS;
  const begin = text.slice(0, BEGINNING * share);
  const end = text.slice(-END * share);
  const middle = text.slice(begin.length, -end.length).split('\n');
  const telling: string[] = [];
  let room = most - begin.length - end.length;
  for (const line of middle) {
    if (!TELLING.test(line)) continue;
    const shown = line.length > 300 ? `${line.slice(0, 300)}...` : line;
    room -= shown.length + 1;
    if (room < 0) break;
    telling.push(shown);
  }
  return [begin, '[...]', ...telling, '[...]', end].join('\n');
}
