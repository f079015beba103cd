/**
 * Steps on the way to an answer that small models learn: a search that looks everywhere, nearest first, in which every word follows from few words
 * that stand together. A way straight to the end would have to be seen before its first word is written; and "the next fact about X that leads
 * somewhere new" is three conditions at once, which small models mix up. So facts are first told again from both ends, each end with a number,
 * and the search then reads "X 1", "X 2", ... until there is none: one place to look at for each word.
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

/** What is found is numbered with letters, since numbers say where it is. */
const LETTERS = 'abcdefghijklmnopqrstuvwxyz';

/** A place that the search has reached. */
interface Found {
  readonly name: string;
  /** The place before it on the way from the start. */
  readonly before: string | undefined;
  /** What is said of it. */
  readonly record: string;
}

/**
 * The facts from both ends, then the search, to the place that is asked for: "at a X ..." begins the facts of X, of which each leads back or to a place
 * with a letter of its own.
 * `record` says what is known of a place from the link that led to it (its `from` is the place before), or of the start from none.
 * Undefined where no facts connect the two, where they go round, or where there are more places than letters.
 */
export function searchSteps(
  links: readonly Link[],
  start: string,
  end: string,
  wordOf: WordOf,
  record: (name: string, seen: Link | undefined) => string,
): string[] | undefined {
  const { steps, ends } = toldFromBothEnds(links, wordOf, end);
  const found: Found[] = [{ name: start, before: undefined, record: record(start, undefined) }];
  for (const [index, place] of found.entries()) {
    steps.push(`at ${LETTERS[index]} ${place.record}`);
    if (place.name === end) return [...steps, asked(end)];
    const numbered = ends.get(place.name) ?? [];
    for (const [i, link] of numbered.entries()) {
      const isBack = link.from === place.before;
      steps.push(`${numberedEnd(link, i)}${isBack ? ' back' : ''}`);
      if (isBack) continue;
      const letter = LETTERS[found.length];
      if (!letter || found.some(({ name }) => name === link.from)) return undefined;
      const seen = converse(link, wordOf);
      const next = { name: link.from, before: place.name, record: record(link.from, seen) };
      steps.push(`${letter} ${next.record}`);
      found.push(next);
    }
    steps.push(`${place.name} ${numbered.length + 1} none`);
  }
  return undefined;
}

/**
 * "X 1 left Y, Y 1 right X, ...": each fact from both its ends, with a number for each fact that begins with a thing. What is asked for comes first, as a
 * fact of its own: so a search need not compare what it finds with the question.
 */
export function toldFromBothEnds(
  links: readonly Link[],
  wordOf: WordOf,
  end?: string,
): { readonly steps: string[]; readonly ends: ReadonlyMap<string, readonly Link[]> } {
  const ends = new Map<string, Link[]>();
  const steps = end === undefined ? [] : [asked(end)];
  for (const link of links.flatMap((link) => [link, converse(link, wordOf)])) {
    const list = ends.get(link.thing) ?? [];
    ends.set(link.thing, list);
    steps.push(numberedEnd(link, list.length + (link.thing === end ? 1 : 0)));
    list.push(link);
  }
  return { steps, ends };
}

function asked(end: string): string {
  return `${end} 1 asked`;
}

function numberedEnd({ thing, word, from }: Link, index: number): string {
  return `${thing} ${index + 1} ${word} ${from}`;
}

/** The search as above, each thing with its place: the start's is (0, 0). */
export function placingSteps(links: readonly Link[], start: string, end: string, wordOf: WordOf): Placed | undefined {
  const places = new Map<string, Point>([[start, { x: 0, y: 0 }]]);
  const steps = searchSteps(links, start, end, wordOf, (name, seen) => {
    if (!seen) return `${name} 0 0`;
    const from = places.get(seen.from)!;
    const at = { x: from.x + seen.x, y: from.y + seen.y };
    places.set(name, at);
    return `${name} ${at.x} ${at.y} ${seen.from}`;
  });
  return steps && { steps: steps.join(', '), end: places.get(end)! };
}

export interface Placed {
  readonly steps: string;
  /** Where the end is from the start. */
  readonly end: Point;
}
