/**
 * Conformance cases of attention: two sequences whose pages lie in no order, their prompts in uneven pieces, mixed in one batch, then one
 * token at a time; windows, soft caps, grouped heads. And prompts whose entries stand together, as an engine sends them.
 */
import type { Batch } from '../src/backends/types.ts';
import type { AttentionAttributes, Op } from '../src/program/program.ts';
import {
  type ConformanceCase,
  type ConformanceStep,
  flatInputs,
  oneOpProgram,
  PAGE_TOKENS,
  randomRows,
  SIZES,
} from './conformance-case.ts';
import { naiveAttendHead, type Rows } from './conformance-naive.ts';
import { seeded } from './conformance-weights.ts';

type Heads = Pick<AttentionAttributes, 'heads' | 'kvHeads' | 'headDim'>;

const HEADS: readonly Heads[] = [
  { heads: 1, kvHeads: 1, headDim: 1 },
  { heads: 6, kvHeads: 2, headDim: 3 },
  { heads: 3, kvHeads: 3, headDim: 31 },
  { heads: 4, kvHeads: 1, headDim: 33 },
  { heads: 2, kvHeads: 1, headDim: 257 },
];

const MASKS: readonly Pick<AttentionAttributes, 'window' | 'softcap'>[] = [
  {},
  { window: 1 },
  { window: 5 },
  { softcap: 0.5 },
  { window: 31, softcap: 2 },
];

/** Longer than what devices take at once of a prompt, and not a multiple of it. */
const PROMPT_TOKENS = 70;

const PROMPTS: readonly (Heads & Pick<AttentionAttributes, 'window' | 'softcap'>)[] = [
  { heads: 4, kvHeads: 2, headDim: 33 },
  { heads: 3, kvHeads: 1, headDim: 8, window: 31, softcap: 2 },
  { heads: 2, kvHeads: 2, headDim: 5 },
];

interface Sequence {
  readonly q: Rows;
  readonly k: Rows;
  readonly v: Rows;
}

export function attentionCases(): ConformanceCase[] {
  return [
    ...HEADS.flatMap((heads, i) =>
      MASKS.map((mask, j) => attentionCase({ ...heads, ...mask }, SIZES[(i + j) % 5]!, 600 + 10 * i + j)),
    ),
    ...PROMPTS.map((variant, i) => attentionCase(variant, PROMPT_TOKENS, 650 + i, promptSchedule)),
  ];
}

function attentionCase(
  variant: Omit<AttentionAttributes, 'state' | 'scale'>,
  length: number,
  seed: number,
  scheduleOf: (lengths: readonly number[]) => Entry[][] = schedule,
): ConformanceCase {
  const random = seeded(seed);
  const { heads, kvHeads, headDim } = variant;
  const attributes: AttentionAttributes = { state: 'kv', scale: 1 / Math.sqrt(headDim), ...variant };
  const sequences = [length, Math.ceil(length / 2) + 2].map(
    (tokens): Sequence => ({
      q: randomRows(tokens, heads * headDim, random),
      k: randomRows(tokens, kvHeads * headDim, random),
      v: randomRows(tokens, kvHeads * headDim, random),
    }),
  );
  const pages = scatteredPages(sequences.map(({ q }) => q.length));
  const op: Op = { op: 'attention', in: ['q', 'k', 'v'], weights: [], out: 'out', attributes };
  const first = sequences[0]!;
  return {
    title: `attention ${length} tokens ${scheduleOf === schedule ? 'among' : 'before'} another sequence, ${JSON.stringify(variant)}`,
    op: 'attention',
    program: oneOpProgram({
      title: '',
      op,
      inputs: { q: first.q, k: first.k, v: first.v },
      state: [{ name: 'kv', kvHeads, headDim }],
      outShape: ['tokens', heads * headDim],
    }),
    weights: [],
    steps: scheduleOf(sequences.map(({ q }) => q.length)).map((entries) =>
      stepOf(entries, sequences, pages, attributes),
    ),
  };
}

type Entry = readonly [sequence: number, position: number];

/** Half of each prompt, then most of the rest, entries of both mixed; the last three tokens one by one. */
function schedule(lengths: readonly number[]): Entry[][] {
  const longest = Math.max(...lengths);
  const cuts = [0, Math.ceil(longest / 2), longest - 3, longest - 2, longest - 1, longest];
  return cuts.slice(1).flatMap((end, i) => {
    const start = Math.max(0, cuts[i]!);
    const positions = Array.from({ length: Math.max(0, end - start) }, (_, offset) => start + offset);
    const entries = positions.flatMap((position) =>
      [1, 0].filter((sequence) => position < lengths[sequence]!).map((sequence): Entry => [sequence, position]),
    );
    return entries.length > 0 ? [entries] : [];
  });
}

/** Most of each prompt, one behind the other; then the rest. */
function promptSchedule(lengths: readonly number[]): Entry[][] {
  const pieces = lengths.map((length) => [0, length - 3, length]);
  return [0, 1].map((piece) =>
    pieces.flatMap((cuts, sequence) => {
      const [start = 0, end = 0] = cuts.slice(piece);
      return Array.from({ length: end - start }, (_, i): Entry => [sequence, start + i]);
    }),
  );
}

/** The sequences take pages in turn, from the last one down. */
function scatteredPages(lengths: readonly number[]): number[][] {
  const needed = lengths.map((length) => Math.ceil(length / PAGE_TOKENS));
  let next = needed.reduce((total, count) => total + count, 0);
  const pages: number[][] = lengths.map(() => []);
  while (next > 0) {
    for (const [sequence, own] of pages.entries()) if (own.length < needed[sequence]!) own.push(--next);
  }
  return pages;
}

function stepOf(
  entries: readonly Entry[],
  sequences: readonly Sequence[],
  pages: readonly (readonly number[])[],
  attributes: AttentionAttributes,
): ConformanceStep {
  const rowsOf = (name: keyof Sequence): number[][] =>
    entries.map(([sequence, position]) => [...sequences[sequence]![name][position]!]);
  const batch: Batch = {
    sequences: Int32Array.from(entries, ([sequence]) => sequence),
    positions: Int32Array.from(entries, ([, position]) => position),
    pages,
    outputEntries: new Int32Array(),
    inputs: flatInputs({ q: rowsOf('q'), k: rowsOf('k'), v: rowsOf('v') }),
  };
  const expected = entries.flatMap(([sequence, position]) => attendEntry(sequences[sequence]!, position, attributes));
  return { batch, expected };
}

function attendEntry({ q, k, v }: Sequence, position: number, attributes: AttentionAttributes): number[] {
  const { heads, kvHeads, headDim, scale, softcap, window = Infinity } = attributes;
  const start = Math.max(0, position + 1 - window);
  return Array.from({ length: heads }, (_, head) => {
    // Query heads share key/value heads in runs of heads / kvHeads.
    const from = Math.floor(head / (heads / kvHeads)) * headDim;
    const ofHead = (rows: Rows): number[][] =>
      rows.slice(start, position + 1).map((row) => row.slice(from, from + headDim));
    const query = q[position]!.slice(head * headDim, (head + 1) * headDim);
    return naiveAttendHead(query, { keys: ofHead(k), values: ofHead(v) }, scale, softcap);
  }).flat();
}
