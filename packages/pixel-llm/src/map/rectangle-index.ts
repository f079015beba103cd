/**
 * Finds rectangles by place, for region-index.ts: packed R-trees (flatbush) of a few thousand rectangles each. One tree of all would put
 * its rectangles in order by a grid of 65536 x 65536 over their whole extent, and the plane has no end: a single one far out would
 * put all others into one cell, and each query would look at all of them. So they are halved first, by their number, across and down
 * in turns (a k-d tree); a far one costs its own tree's queries at most.
 */
import Flatbush from 'flatbush';
import type { Rectangle } from '../pxi/weight-space.ts';

/** The most rectangles of one tree. */
const TREE_SIZE = 4096;
/** So many trees are looked at before all are put in the order of their distance. */
const FIRST_TREES = 16;

/** Whether the rectangle of this number is asked for. */
type Filter = (number: number) => boolean;

interface PlacedTree {
  readonly tree: Flatbush;
  /** Entry i of the tree is the rectangle numbers[i]. */
  readonly numbers: Uint32Array;
}

/** A rectangle's number is its place in the list. */
export class RectangleIndex {
  readonly #rectangles: readonly Rectangle[];
  readonly #trees: readonly PlacedTree[];
  /** Over the extents of the trees; undefined: there are none. */
  readonly #roots: Flatbush | undefined;

  constructor(rectangles: readonly Rectangle[]) {
    this.#rectangles = rectangles;
    const edges = listEdges(rectangles);
    this.#trees = halve(edges).map((numbers) => ({ tree: plant(edges, numbers), numbers }));
    if (this.#trees.length === 0) return;
    this.#roots = new Flatbush(this.#trees.length);
    for (const { tree } of this.#trees) this.#roots.add(tree.minX, tree.minY, tree.maxX, tree.maxY);
    this.#roots.finish();
  }

  /** Numbers of those that share a pixel with a rectangle, ascending. */
  touching(place: Rectangle, filter?: Filter): number[] {
    const { left, top, right, bottom } = edgesOf(place);
    return this.#search(left, top, right, bottom, filter).sort((a, b) => a - b);
  }

  /**
   * Numbers of up to `count` that are nearest to a rectangle, the nearest first, of equally near ones the lowest number first.
   * The trees measure in floating point, and from a point. What they find only bounds how far the nearest can be; of all within that
   * distance the true ones are taken, by exact distances.
   */
  nearest(place: Rectangle, count: number, filter?: Filter): number[] {
    if (count === 0) return [];
    const farthest = this.#someNear(place, count, filter).at(-1)?.distance;
    if (farthest === undefined) return [];
    // A little more than the root, for its rounding; what is too far is sorted out again.
    const around = Math.ceil(Math.sqrt(Number(farthest)) * (1 + 1e-12)) + 1;
    const { left, top, right, bottom } = edgesOf(place);
    const within = this.#search(left - around, top - around, right + around, bottom + around, filter);
    return this.#byDistance(place, within, count).map(({ number }) => number);
  }

  #search(left: number, top: number, right: number, bottom: number, filter?: Filter): number[] {
    const found: number[] = [];
    for (const root of this.#roots?.search(left, top, right, bottom) ?? []) {
      const { tree, numbers } = this.#trees[root]!;
      for (const entry of tree.search(left, top, right, bottom)) {
        const number = numbers[entry]!;
        if (!filter || filter(number)) found.push(number);
      }
    }
    return found;
  }

  /** `count` that are about the nearest; fewer only where there are no more. */
  #someNear(place: Rectangle, count: number, filter?: Filter): Measured[] {
    const { left, top, right, bottom } = edgesOf(place);
    const [x, y] = [(left + right) / 2, (top + bottom) / 2];
    let best: Measured[] = [];
    for (const first of [FIRST_TREES, Number.POSITIVE_INFINITY]) {
      const roots = this.#roots?.neighbors(x, y, first) ?? [];
      for (const root of roots.slice(first === FIRST_TREES ? 0 : FIRST_TREES)) {
        const { tree, numbers } = this.#trees[root]!;
        const farthest = best.length < count ? Number.POSITIVE_INFINITY : best.at(-1)!.distance;
        if (squaredDistance(edgesOf(place), extentOf(tree)) > farthest) break;
        const entries = tree.neighbors(
          x,
          y,
          count,
          Number.POSITIVE_INFINITY,
          filter && ((entry) => filter(numbers[entry]!)),
        );
        const found = [...best.map(({ number }) => number), ...entries.map((entry) => numbers[entry]!)];
        best = this.#byDistance(place, found, count);
      }
      if (best.length === count) break;
    }
    return best;
  }

  #byDistance(place: Rectangle, numbers: readonly number[], count: number): Measured[] {
    return numbers
      .map((number) => ({ number, distance: squaredDistance(edgesOf(place), edgesOf(this.#rectangles[number]!)) }))
      .sort((a, b) => (a.distance < b.distance ? -1 : a.distance > b.distance ? 1 : a.number - b.number))
      .slice(0, count);
  }
}

interface Measured {
  readonly number: number;
  readonly distance: number | bigint;
}

interface Edges {
  readonly left: number;
  readonly top: number;
  /** The last pixels of the rectangle itself: so all edges are whole numbers that a double holds exactly. */
  readonly right: number;
  readonly bottom: number;
}

function edgesOf({ x, y, width, height }: Rectangle): Edges {
  return { left: x, top: y, right: x + (width - 1), bottom: y + (height - 1) };
}

function extentOf({ minX, minY, maxX, maxY }: Flatbush): Edges {
  return { left: minX, top: minY, right: maxX, bottom: maxY };
}

/** [left, top, right, bottom] of each, in one array: the objects lie all over memory, and are needed in another order. */
function listEdges(rectangles: readonly Rectangle[]): Float64Array {
  const edges = new Float64Array(4 * rectangles.length);
  for (let number = 0; number < rectangles.length; number++) {
    const { left, top, right, bottom } = edgesOf(rectangles[number]!);
    edges[4 * number] = left;
    edges[4 * number + 1] = top;
    edges[4 * number + 2] = right;
    edges[4 * number + 3] = bottom;
  }
  return edges;
}

function plant(edges: Float64Array, numbers: Uint32Array): Flatbush {
  const tree = new Flatbush(numbers.length, 16, Float64Array);
  for (const number of numbers) {
    const at = 4 * number;
    tree.add(edges[at]!, edges[at + 1]!, edges[at + 2]!, edges[at + 3]!);
  }
  tree.finish();
  return tree;
}

/** The numbers of the rectangles in groups of TREE_SIZE at most, each group near one another. */
function halve(edges: Float64Array): Uint32Array[] {
  const all = new Uint32Array(edges.length / 4);
  const middles = [new Float64Array(all.length), new Float64Array(all.length)] as const;
  for (let number = 0; number < all.length; number++) {
    all[number] = number;
    for (const axis of [0, 1] as const)
      middles[axis][number] = (edges[4 * number + axis]! + edges[4 * number + axis + 2]!) / 2;
  }
  const groups: Uint32Array[] = [];
  const divide = (numbers: Uint32Array, axis: 0 | 1): void => {
    if (numbers.length <= TREE_SIZE) {
      if (numbers.length > 0) groups.push(numbers);
      return;
    }
    const middle = partition(numbers, middles[axis]);
    divide(numbers.subarray(0, middle), axis === 0 ? 1 : 0);
    divide(numbers.subarray(middle), axis === 0 ? 1 : 0);
  };
  divide(all, 0);
  return groups;
}

/** Puts the half with the lower keys first (Hoare's selection) and returns where the other begins. */
function partition(numbers: Uint32Array, keys: Float64Array): number {
  const middle = numbers.length >> 1;
  for (let first = 0, last = numbers.length - 1; first < last; ) {
    const pivot = keys[numbers[(first + last) >> 1]!]!;
    let [i, j] = [first, last];
    while (i <= j) {
      while (keys[numbers[i]!]! < pivot) i++;
      while (keys[numbers[j]!]! > pivot) j--;
      if (i > j) break;
      const number = numbers[i]!;
      numbers[i++] = numbers[j]!;
      numbers[j--] = number;
    }
    if (middle <= j) last = j;
    else if (middle >= i) first = i;
    else break;
  }
  return middle;
}

/** Sums of two squares of less than this are whole numbers that a double holds. */
const EXACT_LENGTH = 2 ** 26;

/** The square of the distance between the nearest pixels, exactly; numbers and bigints compare with each other. */
function squaredDistance(a: Edges, b: Edges): number | bigint {
  const across = Math.max(a.left - b.right, b.left - a.right, 0);
  const down = Math.max(a.top - b.bottom, b.top - a.bottom, 0);
  if (across < EXACT_LENGTH && down < EXACT_LENGTH) return across * across + down * down;
  const [wide, high] = [gap(a.left, a.right, b.left, b.right), gap(a.top, a.bottom, b.top, b.bottom)];
  return wide * wide + high * high;
}

function gap(first: number, last: number, otherFirst: number, otherLast: number): bigint {
  if (otherLast < first) return BigInt(first) - BigInt(otherLast);
  return last < otherFirst ? BigInt(otherFirst) - BigInt(last) : 0n;
}
