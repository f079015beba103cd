/**
 * Questions about space with answers that a program knows: where things are from each other, over one to ten hops and among things that do
 * not matter; ways through rooms; what is in what; what is larger; coordinates and regions of a map.
 * The example of a number is a function of seed and number; solve-spatial.ts answers from the text alone.
 */
import { PixelError } from '../../core/errors.ts';
import { choiceSource } from '../../core/random.ts';
import {
  converse,
  type Link,
  type Point,
  placingSteps,
  searchSteps,
  toldFromBothEnds,
  type WordOf,
} from '../tasks/search-steps.ts';

export const SPATIAL_KINDS = ['relation', 'path', 'containment', 'size', 'coordinates', 'region'] as const;
export type SpatialKind = (typeof SPATIAL_KINDS)[number];

export interface SpatialExample {
  readonly kind: SpatialKind;
  /** Facts that the answer needs, one after another. */
  readonly hops: number;
  /** Facts, then the question. */
  readonly prompt: string;
  readonly completion: string;
  /** What to write down on the way to the answer: things found one after another, each from the one before. */
  readonly steps: string;
}

/** Eight directions and none, by the signs of x (to the right) and y (up). */
export const DIRECTIONS: readonly { readonly words: string; readonly x: number; readonly y: number }[] = [
  { words: 'to the left of', x: -1, y: 0 },
  { words: 'to the right of', x: 1, y: 0 },
  { words: 'above', x: 0, y: 1 },
  { words: 'below', x: 0, y: -1 },
  { words: 'above and to the left of', x: -1, y: 1 },
  { words: 'above and to the right of', x: 1, y: 1 },
  { words: 'below and to the left of', x: -1, y: -1 },
  { words: 'below and to the right of', x: 1, y: -1 },
  { words: 'at the place of', x: 0, y: 0 },
];

/** Ways between rooms. */
export const COMPASS: readonly { readonly word: string; readonly x: number; readonly y: number }[] = [
  { word: 'north', x: 0, y: 1 },
  { word: 'south', x: 0, y: -1 },
  { word: 'east', x: 1, y: 0 },
  { word: 'west', x: -1, y: 0 },
];

const THINGS =
  'ball bell book bottle bowl box brush cake candle chair clock coin cup drum flag flute hat jar key kite lamp leaf map mirror pen plant plate ring rope shell shoe spoon star stone table toy vase wheel'.split(
    ' ',
  );
const ROOMS = 'attic bathroom bedroom cellar corridor garage garden hall kitchen library office pantry'.split(' ');
const HOLDERS = 'bag basket bin boat bucket cabin cart case chest crate drawer hut ship tent tower trunk'.split(' ');
const REGIONS = 'amber birch cedar delta ember fjord grove haven iris jade kelp lotus'.split(' ');

export const MOST_HOPS = 10;

interface Draw {
  /** A whole number from 0 to below the bound. */
  below(bound: number): number;
  pick<Item>(items: readonly Item[]): Item;
  /** So many different ones. */
  some<Item>(items: readonly Item[], count: number): Item[];
  shuffled<Item>(items: readonly Item[]): Item[];
}

/** What the facts of a question say of pairs of things, where they do. */
interface Facts {
  readonly text: string;
  readonly links: readonly Link[];
  readonly wordOf: WordOf;
}

interface Written extends Omit<SpatialExample, 'kind'> {
  readonly facts?: Facts;
}

const WRITERS: Readonly<Record<SpatialKind, (draw: Draw, mostHops: number) => Written>> = {
  relation,
  path,
  containment,
  size,
  coordinates,
  region,
};

export interface SpatialOptions {
  /** Default: all in turn. */
  readonly kind?: SpatialKind | undefined;
  /** Fewer make shorter stories, to begin with. Ways through rooms may need two more. Default: 10. */
  readonly mostHops?: number | undefined;
}

/** Example number `example` of a seed. */
export function writeSpatial(
  seed: number,
  example: number,
  { kind, mostHops = MOST_HOPS }: SpatialOptions = {},
): SpatialExample {
  const chosen = kind ?? SPATIAL_KINDS[example % SPATIAL_KINDS.length]!;
  const { facts: _, ...written } = WRITERS[chosen](drawFrom(choiceSource(seed, example)), mostHops);
  return { kind: chosen, ...written };
}

/** Kinds whose facts are about pairs of things. */
const PAIRED_KINDS = ['relation', 'path', 'size'] as const;

/**
 * The facts of a question and no question: they are told from both ends, as the steps of answers begin, and then once more in another order. Looking
 * up what was said of a thing is most of each line, while in answers it is one word of ten: models that begin with such lines learn it sooner.
 * Throws `bad-argument` for a kind without facts about pairs.
 */
export function writeRecall(
  seed: number,
  example: number,
  { kind, mostHops = MOST_HOPS }: SpatialOptions = {},
): Omit<SpatialExample, 'steps'> {
  const chosen = kind ?? PAIRED_KINDS[example % PAIRED_KINDS.length]!;
  const draw = drawFrom(choiceSource(seed, example));
  const { facts } = WRITERS[chosen](draw, mostHops);
  if (!facts) {
    throw new PixelError(
      'bad-argument',
      `There is nothing to recall in ${chosen}: only in ${PAIRED_KINDS.join(', ')}.`,
    );
  }
  const told = toldFromBothEnds(facts.links, facts.wordOf).steps;
  return {
    kind: chosen,
    hops: facts.links.length,
    prompt: `${facts.text} Tell it from both ends, twice.`,
    completion: `${told.join(', ')}; ${draw.shuffled(told).join(', ')}`,
  };
}

/** A chain of things, each told from its neighbour, in any order and from either end; others hang on it and lead nowhere. */
function relation(draw: Draw, mostHops: number): Written {
  const hops = 1 + draw.below(mostHops);
  const others = draw.below(4);
  const things = draw.some(THINGS, hops + 1 + others);
  const links: Link[] = [];
  const at = [{ x: 0, y: 0 }];
  const place = (to: number, from: number): void => {
    const step = draw.pick(DIRECTIONS.slice(0, 8));
    at.push({ x: at[from]!.x + step.x, y: at[from]!.y + step.y });
    const link = { thing: things[to]!, from: things[from]!, word: shortOf(step), x: step.x, y: step.y };
    links.push(draw.below(2) === 1 ? converse(link, shortOf) : link);
  };
  for (let i = 1; i <= hops; i++) place(i, i - 1);
  for (let i = hops + 1; i < things.length; i++) place(i, draw.below(hops + 1));
  const end = at[hops]!;
  const told = draw.shuffled(links);
  const text = told.map(factOf).join(' ');
  return {
    facts: { text, links: told, wordOf: shortOf },
    hops,
    prompt: `${text} Where is the ${things[hops]} from the ${things[0]}?`,
    completion: directionTo(end).words.replace(/ of$/, ''),
    steps: placingSteps(told, things[0]!, things[hops]!, shortOf)!.steps,
  };
}

function directionTo({ x, y }: Point): (typeof DIRECTIONS)[number] {
  return DIRECTIONS.find((one) => one.x === Math.sign(x) && one.y === Math.sign(y))!;
}

/** "below and to the right of" -> "below right" */
function shortOf(step: Point): string {
  return directionTo(step).words.replace(/ (and|to the|of|place)\b|^to the /g, '');
}

function factOf({ thing, from, x, y }: Link): string {
  return `The ${thing} is ${directionTo({ x, y }).words} the ${from}.`;
}

/** Rooms that grow as a tree on a grid, so that there is one way between two of them. */
function path(draw: Draw, mostHops: number): Written {
  const rooms = draw.some(ROOMS, 4 + draw.below(Math.min(6, mostHops)));
  const places: { x: number; y: number; parent: number; way: Way | undefined }[] = [
    { x: 0, y: 0, parent: -1, way: undefined },
  ];
  while (places.length < rooms.length) {
    const parent = draw.below(places.length);
    const way = draw.pick(COMPASS);
    const [x, y] = [places[parent]!.x + way.x, places[parent]!.y + way.y];
    if (!places.some((place) => place.x === x && place.y === y)) places.push({ x, y, parent, way });
  }
  const doors = draw.shuffled(
    places.slice(1).map(({ parent, way }, i): Link => {
      const door = { thing: rooms[i + 1]!, from: rooms[parent]!, ...way! };
      return draw.below(2) === 0 ? door : converse(door, compassWord);
    }),
  );
  const text = doors.map((door) => `The ${door.thing} is ${door.word} of the ${door.from}.`).join(' ');
  const [from, to] = draw.some([...places.keys()], 2) as [number, number];
  const ways = wayBetween(places, from, to);
  return {
    facts: { text, links: doors, wordOf: compassWord },
    hops: ways.length,
    prompt: `${text} How do you go from the ${rooms[from]} to the ${rooms[to]}?`,
    completion: ways.map(({ word }) => word).join(', '),
    steps: wayBack(doors, rooms[from]!, rooms[to]!).join(', '),
  };
}

type Way = (typeof COMPASS)[number];

function compassWord({ x, y }: Point): string {
  return COMPASS.find((way) => way.x === x && way.y === y)!.word;
}

/** The search from the end, each room with the way that leads back; then those ways one after another from the start. */
function wayBack(doors: readonly Link[], start: string, end: string): string[] {
  const ways = new Map<string, { readonly said: string; readonly to: string }>();
  const steps = searchSteps(doors, end, start, compassWord, (room, seen) => {
    if (!seen) return room;
    const said = `from ${room} ${converse(seen, compassWord).word} to ${seen.from}`;
    ways.set(room, { said, to: seen.from });
    return said;
  })!;
  for (let room = start; room !== end; room = ways.get(room)!.to) steps.push(ways.get(room)!.said);
  return steps;
}

function opposite({ x, y }: Point): Way {
  return COMPASS.find((way) => way.x === -x && way.y === -y)!;
}

/** Up from both rooms to where their ways to the first room meet. */
function wayBetween(places: readonly { parent: number; way: Way | undefined }[], from: number, to: number): Way[] {
  const up = (room: number): number[] => (room < 0 ? [] : [room, ...up(places[room]!.parent)]);
  const [start, end] = [up(from), up(to)];
  const meet = start.find((room) => end.includes(room))!;
  const rising = start.slice(0, start.indexOf(meet)).map((room) => opposite(places[room]!.way!));
  const falling = end.slice(0, end.indexOf(meet)).map((room) => places[room]!.way!);
  return [...rising, ...falling.toReversed()];
}

/** A thing in a holder in a holder; beside it, another. */
function containment(draw: Draw, mostHops: number): Omit<SpatialExample, 'kind'> {
  const depth = 1 + draw.below(Math.min(5, mostHops));
  const holders = draw.some(HOLDERS, depth + 3);
  const [thing, other] = draw.some(THINGS, 2) as [string, string];
  const chain = [thing, ...holders.slice(0, depth)];
  const apart = [other, ...holders.slice(depth)];
  const facts = [chain, apart].flatMap((list) =>
    list.slice(1).map((holder, i) => `The ${list[i]} is in the ${holder}.`),
  );
  const asked = 1 + draw.below(depth);
  const isIn = draw.below(2) === 0;
  const holder = isIn ? chain[asked]! : draw.pick(apart.slice(1));
  return {
    hops: isIn ? asked : depth,
    prompt: `${draw.shuffled(facts).join(' ')} Is the ${thing} in the ${holder}?`,
    completion: isIn ? 'yes' : 'no',
    // Outwards, until what is asked for is there or nothing is around any more.
    steps: chain.slice(0, (isIn ? asked : depth) + 1).join(' in '),
  };
}

/** A row of things by size, told from neighbour to neighbour. */
function size(draw: Draw, mostHops: number): Written {
  const things = draw.some(THINGS, 3 + draw.below(Math.min(6, mostHops)));
  const facts = things.slice(1).map((larger, i): Link => {
    const fact = { thing: larger, word: 'larger', from: things[i]!, x: 1, y: 0 };
    return draw.below(2) === 0 ? fact : converse(fact, sizeWord);
  });
  const [a, b] = draw.some([...things.keys()], 2) as [number, number];
  const word = draw.pick(['larger', 'smaller']);
  const told = draw.shuffled(facts);
  const text = told.map((fact) => `The ${fact.thing} is ${fact.word} than the ${fact.from}.`).join(' ');
  return {
    facts: { text, links: told, wordOf: sizeWord },
    hops: Math.abs(a - b),
    prompt: `${text} Is the ${things[a]} ${word} than the ${things[b]}?`,
    completion: a > b === (word === 'larger') ? 'yes' : 'no',
    steps: ranks(told, things[a]!, things[b]!).join(', '),
  };
}

function sizeWord({ x }: Point): string {
  return x > 0 ? 'larger' : 'smaller';
}

/** The search from the first thing, each with its rank above or below it; then how the two compare. */
function ranks(facts: readonly Link[], start: string, end: string): string[] {
  const rank = new Map([[start, 0]]);
  const steps = searchSteps(facts, start, end, sizeWord, (thing, seen) => {
    if (!seen) return `${thing} 0`;
    rank.set(thing, rank.get(seen.from)! + seen.x);
    return `${thing} ${rank.get(thing)} ${seen.from}`;
  })!;
  return [...steps, `${start} ${sizeWord({ x: -rank.get(end)!, y: 0 })} ${end}`];
}

const COORDINATE_QUESTIONS = ['at', 'where', 'right', 'higher', 'steps'] as const;

/** Things at points of a small map; x grows to the right, y upwards. */
function coordinates(draw: Draw): Omit<SpatialExample, 'kind'> {
  const things = draw.some(THINGS, 2 + draw.below(5));
  const points = draw
    .some([...Array(100).keys()], things.length)
    .map((cell) => ({ x: cell % 10, y: Math.floor(cell / 10) }));
  const facts = things.map((thing, i) => `The ${thing} is at (${points[i]!.x}, ${points[i]!.y}).`);
  const [a, b] = draw.some([...things.keys()], 2) as [number, number];
  const [from, to] = [points[a]!, points[b]!];
  const kind = draw.pick(COORDINATE_QUESTIONS);
  const both = `${things[a]} ${from.x} ${from.y}, ${things[b]} ${to.x} ${to.y}`;
  const asked = {
    at: {
      question: `What is at (${from.x}, ${from.y})?`,
      answer: `the ${things[a]}`,
      steps: `${from.x} ${from.y} ${things[a]}`,
    },
    where: {
      question: `Where is the ${things[a]}?`,
      answer: `(${from.x}, ${from.y})`,
      steps: `${things[a]} ${from.x} ${from.y}`,
    },
    right: {
      question: `Is the ${things[a]} further right than the ${things[b]}?`,
      answer: yesNo(from.x > to.x),
      steps: `${both}, ${from.x} and ${to.x}`,
    },
    higher: {
      question: `Is the ${things[a]} higher than the ${things[b]}?`,
      answer: yesNo(from.y > to.y),
      steps: `${both}, ${from.y} and ${to.y}`,
    },
    steps: {
      question: `How many steps is it from the ${things[a]} to the ${things[b]}?`,
      answer: String(Math.abs(from.x - to.x) + Math.abs(from.y - to.y)),
      steps: `${both}, ${from.x} and ${to.x} ${Math.abs(from.x - to.x)}, ${from.y} and ${to.y} ${Math.abs(from.y - to.y)}`,
    },
  }[kind];
  return {
    hops: kind === 'at' || kind === 'where' ? 1 : 2,
    prompt: `${draw.shuffled(facts).join(' ')} ${asked.question}`,
    completion: asked.answer,
    steps: asked.steps,
  };
}

/** Regions of a map: rectangles side by side along x, so that a point is in one of them or in none. */
function region(draw: Draw): Omit<SpatialExample, 'kind'> {
  const names = draw.some(REGIONS, 2 + draw.below(4));
  let x = draw.below(20) - 30;
  const rectangles = names.map((name) => {
    const left = x + draw.below(4);
    const [right, bottom] = [left + 2 + draw.below(8), draw.below(20) - 10];
    x = right + 1;
    return { name, left, right, bottom, top: bottom + 2 + draw.below(8) };
  });
  const told = draw.shuffled(rectangles);
  const facts = told.map(
    ({ name, left, right, bottom, top }) => `The region ${name} goes from (${left}, ${bottom}) to (${right}, ${top}).`,
  );
  const { name, left, right, bottom, top } = draw.pick(rectangles);
  const isInside = draw.below(3) > 0;
  const px = left + draw.below(right - left + 1);
  const py = isInside ? bottom + draw.below(top - bottom + 1) : top + 1 + draw.below(5);
  return {
    hops: 1,
    prompt: `${facts.join(' ')} Which region holds (${px}, ${py})?`,
    completion: isInside ? name : 'none',
    // Region after region as they were told, until the columns of one hold the point; whether its rows do is the answer.
    steps: told
      .slice(0, told.findIndex((one) => one.name === name) + 1)
      .map((one) => `${one.name} ${one.left} ${one.right} ${px} ${one.name === name ? 'in' : 'out'}`)
      .concat(`${bottom} ${top} ${py} ${isInside ? 'in' : 'out'}`)
      .join(', '),
  };
}

function yesNo(holds: boolean): string {
  return holds ? 'yes' : 'no';
}

function drawFrom(below: (bound: number) => number): Draw {
  const some = <Item>(items: readonly Item[], count: number): Item[] => {
    const left = [...items];
    return Array.from({ length: count }, () => left.splice(below(left.length), 1)[0]!);
  };
  return {
    below,
    pick: (items) => items[below(items.length)]!,
    some,
    shuffled: (items) => some(items, items.length),
  };
}
