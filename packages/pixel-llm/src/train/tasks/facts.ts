/**
 * Facts of bAbI's tasks 17 and 19, "The NAME is DIRECTION the NAME.": read into names and directions, so that a story can be told again with
 * other names, turned and mirrored, and the way from one thing to another be written down.
 */
import type { Question } from './question.ts';

/** x grows to the right or east, y upwards or north. */
interface Direction {
  readonly words: string;
  /** What the two vocabularies have: a story keeps to one. */
  readonly family: 'side' | 'wind';
  readonly x: number;
  readonly y: number;
}

const DIRECTIONS: readonly Direction[] = [
  { words: 'above', family: 'side', x: 0, y: 1 },
  { words: 'below', family: 'side', x: 0, y: -1 },
  { words: 'to the left of', family: 'side', x: -1, y: 0 },
  { words: 'to the right of', family: 'side', x: 1, y: 0 },
  { words: 'north of', family: 'wind', x: 0, y: 1 },
  { words: 'south of', family: 'wind', x: 0, y: -1 },
  { words: 'west of', family: 'wind', x: -1, y: 0 },
  { words: 'east of', family: 'wind', x: 1, y: 0 },
];
const WORDS = DIRECTIONS.map(({ words }) => words).join('|');
const FACT = new RegExp(`^The ([a-z ]+?) is (${WORDS}) the ([a-z ]+)\\.$`);
const WHETHER = new RegExp(`^Is the ([a-z ]+?) (${WORDS}) the ([a-z ]+)\\?$`);
const WAY = /^How do you go from the ([a-z ]+) to the ([a-z ]+)\?$/;

/** `thing` is in `direction` of `from`. */
export interface Fact {
  readonly thing: string;
  readonly direction: Direction;
  readonly from: string;
}

/** A question of one of the two tasks, read. */
export interface ReadQuestion {
  readonly facts: readonly Fact[];
  /** Whether `thing` is in `direction` of `from`, or, without a direction, the way to `thing` from `from`. */
  readonly asked: { readonly thing: string; readonly direction: Direction | undefined; readonly from: string };
}

/** Undefined for a story or a question in other words. */
export function readQuestion({ story, question }: Pick<Question, 'story' | 'question'>): ReadQuestion | undefined {
  const facts = (story.match(/[^.]+\./g) ?? []).map((sentence) => matched(FACT, sentence.trim()));
  if (facts.some((fact) => !fact)) return undefined;
  const whether = matched(WHETHER, question);
  const [, from, thing] = WAY.exec(question) ?? [];
  const asked = whether ?? (from && thing ? { thing, direction: undefined, from } : undefined);
  return asked && { facts: facts as Fact[], asked };
}

function matched(form: RegExp, sentence: string): Fact | undefined {
  const [, thing = '', words, from = ''] = form.exec(sentence) ?? [];
  const direction = DIRECTIONS.find((one) => one.words === words);
  return direction && { thing, direction, from };
}

/** The question in words again. */
export function tellQuestion({ facts, asked }: ReadQuestion): Pick<Question, 'story' | 'question'> {
  const { thing, direction, from } = asked;
  return {
    story: facts.map((fact) => `The ${fact.thing} is ${fact.direction.words} the ${fact.from}.`).join(' '),
    question: direction
      ? `Is the ${thing} ${direction.words} the ${from}?`
      : `How do you go from the ${from} to the ${thing}?`,
  };
}

/** One of the eight symmetries of the plane: so many quarter turns, after mirroring left and right or not. */
export interface Symmetry {
  readonly turns: number;
  readonly mirrored: boolean;
}

export function moved({ family, x, y }: Direction, { turns, mirrored }: Symmetry): Direction {
  let [px, py] = [mirrored ? -x : x, y];
  for (let turn = 0; turn < turns; turn++) [px, py] = [-py, px];
  return DIRECTIONS.find((one) => one.family === family && one.x === px && one.y === py)!;
}

function opposite(direction: Direction): Direction {
  return moved(direction, { turns: 2, mirrored: false });
}

/** A way as bAbI 19 answers it, "s,e", moved. */
export function movedWay(answer: string, symmetry: Symmetry): string {
  const winds = DIRECTIONS.filter(({ family }) => family === 'wind');
  const letters = answer.split(',').map((letter) => {
    const wind = winds.find(({ words }) => words.startsWith(letter));
    return wind ? moved(wind, symmetry).words[0] : letter;
  });
  return letters.join(',');
}

/**
 * What to write down on the way to the answer. Whether: where each thing is, from the one that is asked from to the one that is asked for. Way:
 * room after room from the end, nearest first, with the direction that leads back, until the start is found. Undefined where the
 * facts do not connect the two.
 */
export function stepsOf({ facts, asked }: ReadQuestion): string | undefined {
  return asked.direction ? placesBetween(facts, asked.from, asked.thing) : searchBack(facts, asked.from, asked.thing);
}

interface Link {
  readonly to: string;
  readonly direction: Direction;
}

/** What a fact tells of its other thing, seen from `place`. */
function linkFrom(place: string, { thing, direction, from }: Fact): Link | undefined {
  if (from === place) return { to: thing, direction };
  return thing === place ? { to: from, direction: opposite(direction) } : undefined;
}

function placesBetween(facts: readonly Fact[], start: string, end: string): string | undefined {
  const paths = new Map([[start, [`${start} 0 0`]]]);
  const at = new Map<string, readonly [x: number, y: number]>([[start, [0, 0]]]);
  for (const [place, [x, y]] of at) {
    for (const fact of facts) {
      const link = linkFrom(place, fact);
      if (!link || at.has(link.to)) continue;
      const point = [x + link.direction.x, y + link.direction.y] as const;
      at.set(link.to, point);
      paths.set(link.to, [...paths.get(place)!, `${link.to} ${point[0]} ${point[1]}`]);
    }
  }
  return paths.get(end)?.join(', ');
}

function searchBack(facts: readonly Fact[], start: string, end: string): string | undefined {
  const steps: string[] = [];
  const found = [end];
  for (const place of found) {
    for (const fact of facts) {
      const link = linkFrom(place, fact);
      if (!link || found.includes(link.to)) continue;
      found.push(link.to);
      steps.push(`${link.to} ${opposite(link.direction).words.replace(/ of$/, '')} ${place}`);
      if (link.to === start) return steps.join(', ');
    }
  }
  return undefined;
}
