/**
 * Steps on the way to an answer that small models learn: a search that looks everywhere, nearest first. A way straight to the end would have to be
 * seen before its first word is written; here each step needs one fact that names a thing. Reading a fact from its other end is a sentence of its own,
 * since a sign that depends on both the word and the order of the names is what is learned last.
 */

/** `thing` is `word` of `from`: so many to the right, so many up. */
export interface Link {
  readonly thing: string;
  readonly word: string;
  readonly from: string;
  readonly x: number;
  readonly y: number;
}

export type Point = Pick<Link, 'x' | 'y'>;

/** The word for a step, in the language of a task. */
export type WordOf = (step: Point) => string;

export function converse({ thing, from, x, y }: Link, wordOf: WordOf): Link {
  const back = { x: 0 - x, y: 0 - y };
  return { thing: from, word: wordOf(back), from: thing, ...back };
}

/**
 * For each thing that is found: what was told, its converse, and what `found` says of it (the thing as seen from the one that it was found from).
 * "at X" begins the facts of X. Undefined where no facts connect the two.
 */
export function searchSteps(
  links: readonly Link[],
  start: string,
  end: string,
  wordOf: WordOf,
  found: (seen: Link) => readonly string[],
): string[] | undefined {
  const steps: string[] = [];
  const seen = new Set([start]);
  if (start === end) return steps;
  for (const place of seen) {
    steps.push(`at ${place}`);
    for (const link of links) {
      const back = converse(link, wordOf);
      const next = link.from === place ? link : back;
      if (next.from !== place || seen.has(next.thing)) continue;
      seen.add(next.thing);
      steps.push(said(link), said(back), ...found(next));
      if (next.thing === end) return steps;
    }
  }
  return undefined;
}

export function said({ thing, word, from }: Link): string {
  return `${thing} ${word} ${from}`;
}

/** The search as above, each thing with its place: the start's is (0, 0). */
export function placingSteps(links: readonly Link[], start: string, end: string, wordOf: WordOf): Placed | undefined {
  const places = new Map<string, Point>([[start, { x: 0, y: 0 }]]);
  const steps = searchSteps(links, start, end, wordOf, (seen) => {
    const from = places.get(seen.from)!;
    const at = { x: from.x + seen.x, y: from.y + seen.y };
    places.set(seen.thing, at);
    return [`${said(seen)} ${from.x} ${from.y}`, `${seen.thing} ${at.x} ${at.y}`];
  });
  return steps && { steps: [`${start} 0 0`, ...steps].join(', '), end: places.get(end)! };
}

export interface Placed {
  readonly steps: string;
  /** Where the end is from the start. */
  readonly end: Point;
}
