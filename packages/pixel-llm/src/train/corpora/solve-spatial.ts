/**
 * Answers a spatial question from its text alone, by search over what the sentences say. It shares nothing with what wrote the text but
 * the words of directions, so a wrong answer in a corpus, or an ambiguous question, would show.
 */
import { COMPASS, DIRECTIONS } from './spatial.ts';

/** The answer, or undefined where the text does not say it, or says more than one. */
export function solveSpatial(prompt: string): string | undefined {
  for (const solve of [relation, path, containment, size, coordinates, region]) {
    const answer = solve(prompt);
    if (answer !== undefined) return answer;
  }
  return undefined;
}

type Point = readonly [x: number, y: number];

function relation(text: string): string | undefined {
  const asked = /Where is the (\w+) from the (\w+)\?$/.exec(text);
  if (!asked) return undefined;
  const steps = new Map<string, [to: string, by: Point][]>();
  // Longer phrases hold shorter ones.
  const phrases = [...DIRECTIONS].sort((a, b) => b.words.length - a.words.length);
  for (const [, thing = '', words = '', from = ''] of text.matchAll(/The (\w+) is ([a-z ]+?) the (\w+)\./g)) {
    const direction = phrases.find((phrase) => phrase.words === words);
    if (!direction) return undefined;
    link(steps, from, thing, [direction.x, direction.y]);
    link(steps, thing, from, [-direction.x, -direction.y]);
  }
  const end = walk(steps, asked[2]!).get(asked[1]!);
  const found = end && DIRECTIONS.find(({ x, y }) => x === Math.sign(end[0]) && y === Math.sign(end[1]));
  return found?.words.replace(/ of$/, '');
}

/** Where everything is that can be reached, from a start at (0, 0). */
function walk(steps: ReadonlyMap<string, readonly [string, Point][]>, start: string): Map<string, Point> {
  const at = new Map<string, Point>([[start, [0, 0]]]);
  for (const [place, [x, y]] of at) {
    for (const [to, [dx, dy]] of steps.get(place) ?? []) if (!at.has(to)) at.set(to, [x + dx, y + dy]);
  }
  return at;
}

function path(text: string): string | undefined {
  const asked = /How do you go from the (\w+) to the (\w+)\?$/.exec(text);
  if (!asked) return undefined;
  const ways = new Map<string, [to: string, word: string][]>();
  for (const [, room = '', word = '', from = ''] of text.matchAll(/The (\w+) is (\w+) of the (\w+)\./g)) {
    const way = COMPASS.find((one) => one.word === word);
    const back = COMPASS.find((one) => one.x === -(way?.x ?? 2) && one.y === -(way?.y ?? 2));
    if (!way || !back) return undefined;
    link(ways, from, room, way.word);
    link(ways, room, from, back.word);
  }
  const found: string[] = [];
  const search = (room: string, seen: readonly string[], words: readonly string[]): void => {
    if (room === asked[2]) found.push(words.join(', '));
    for (const [to, word] of ways.get(room) ?? []) if (!seen.includes(to)) search(to, [...seen, to], [...words, word]);
  };
  search(asked[1]!, [asked[1]!], []);
  return found.length === 1 ? found[0] : undefined;
}

function containment(text: string): string | undefined {
  const asked = /Is the (\w+) in the (\w+)\?$/.exec(text);
  if (!asked) return undefined;
  const holder = new Map(
    Array.from(text.matchAll(/The (\w+) is in the (\w+)\./g), ([, thing = '', by = '']) => [thing, by]),
  );
  for (let place = holder.get(asked[1]!); place; place = holder.get(place)) if (place === asked[2]) return 'yes';
  return 'no';
}

function size(text: string): string | undefined {
  const asked = /Is the (\w+) (larger|smaller) than the (\w+)\?$/.exec(text);
  if (!asked) return undefined;
  const larger = new Map<string, [string, true][]>();
  for (const [, a = '', word = '', b = ''] of text.matchAll(/The (\w+) is (larger|smaller) than the (\w+)\./g)) {
    if (word === 'larger') link(larger, b, a, true);
    else link(larger, a, b, true);
  }
  const reaches = (from: string, to: string): boolean =>
    (larger.get(from) ?? []).some(([next]) => next === to || reaches(next, to));
  const [, a = '', word, b = ''] = asked;
  if (reaches(b, a)) return word === 'larger' ? 'yes' : 'no';
  return reaches(a, b) ? (word === 'smaller' ? 'yes' : 'no') : undefined;
}

function coordinates(text: string): string | undefined {
  const points = new Map(
    Array.from(text.matchAll(/The (\w+) is at \((-?\d+), (-?\d+)\)\./g), ([, thing = '', x, y]) => [
      thing,
      [Number(x), Number(y)] as const,
    ]),
  );
  const at = /What is at \((-?\d+), (-?\d+)\)\?$/.exec(text);
  if (at) {
    const things = [...points].filter(([, [x, y]]) => x === Number(at[1]) && y === Number(at[2]));
    return things.length === 1 ? `the ${things[0]![0]}` : undefined;
  }
  const [, a, kind, b] =
    /(?:Is|Where is|How many steps is it from) the (\w+)(?: (further right than|higher than|to) the (\w+))?\?$/.exec(
      text,
    ) ?? [];
  const from = points.get(a ?? '');
  if (!from) return undefined;
  if (kind === undefined) return `(${from[0]}, ${from[1]})`;
  const to = points.get(b ?? '');
  if (!to) return undefined;
  if (kind === 'to') return String(Math.abs(from[0] - to[0]) + Math.abs(from[1] - to[1]));
  return (kind === 'higher than' ? from[1] > to[1] : from[0] > to[0]) ? 'yes' : 'no';
}

function region(text: string): string | undefined {
  const asked = /Which region holds \((-?\d+), (-?\d+)\)\?$/.exec(text);
  if (!asked) return undefined;
  const [x, y] = [Number(asked[1]), Number(asked[2])];
  const facts = /The region (\w+) goes from \((-?\d+), (-?\d+)\) to \((-?\d+), (-?\d+)\)\./g;
  const holding = Array.from(text.matchAll(facts)).filter(([, , left, bottom, right, top]) => {
    return x >= Number(left) && x <= Number(right) && y >= Number(bottom) && y <= Number(top);
  });
  return holding.length > 1 ? undefined : (holding[0]?.[1] ?? 'none');
}

function link<Value>(map: Map<string, [string, Value][]>, from: string, to: string, value: Value): void {
  const list = map.get(from);
  if (list) list.push([to, value]);
  else map.set(from, [[to, value]]);
}
