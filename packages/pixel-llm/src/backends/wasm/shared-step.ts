/**
 * A step in shared memory: the batch as the main thread writes it and each worker reads it, then the values asked for, then the two
 * buffers of the exchange. All in words of four bytes.
 */
import type { Program } from '../../program/program.ts';
import type { Batch } from '../types.ts';
import type { ThreadPlan } from './thread-plan.ts';
import { rowCount } from './value-arena.ts';

/** A value asked for: [rows, width] at a word of the shared memory. */
export interface WantedValue {
  readonly name: string;
  readonly word: number;
  readonly rows: number;
  readonly width: number;
}

export interface SharedStep {
  readonly batch: Batch;
  readonly wanted: readonly WantedValue[];
  /** Byte offsets of the exchange's buffers. */
  readonly buffers: readonly [number, number];
  /** Words in all. */
  readonly words: number;
}

/** The batch in words: lengths, then everything it holds, then the numbers of the values wanted. */
export function encodeStep(program: Program, batch: Batch, wanted: readonly string[]): Int32Array<ArrayBuffer> {
  const { positions, sequences, outputEntries, pages } = batch;
  const numbers = wanted.map((name) => program.values.findIndex((value) => value.name === name));
  const parts: (readonly number[] | Int32Array)[] = [
    [positions.length, outputEntries.length, pages.length, numbers.length],
    positions,
    sequences,
    outputEntries,
    numbers,
  ];
  for (const list of pages) parts.push([list.length], list);
  for (const name of program.inputs) {
    if (name === 'positions') continue;
    const { buffer, byteOffset, length } = batch.inputs[name]!;
    parts.push([length], new Int32Array(buffer, byteOffset, length));
  }
  const words = new Int32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    words.set(part, at);
    at += part.length;
  }
  return words;
}

/** Reads what encodeStep wrote, and plans the memory behind it. */
export function decodeStep(program: Program, plan: ThreadPlan, words: Int32Array): SharedStep {
  let at = 0;
  const take = (count: number): Int32Array => {
    at += count;
    return words.slice(at - count, at);
  };
  const [tokens = 0, outputs = 0, sequenceCount = 0, wantedCount = 0] = take(4);
  const [positions, sequences, outputEntries, numbers] = [take(tokens), take(tokens), take(outputs), take(wantedCount)];
  const pages = Array.from({ length: sequenceCount }, () => Array.from(take(take(1)[0]!)));
  const inputs: Record<string, Int32Array | Float32Array> = {};
  for (const name of program.inputs) {
    if (name === 'positions') continue;
    const input = take(take(1)[0]!);
    const isInteger = program.values.find((value) => value.name === name)?.type === 'i32';
    inputs[name] = isInteger ? input : new Float32Array(input.buffer);
  }
  const batch: Batch = { positions, sequences, outputEntries, pages, inputs };
  const wanted: WantedValue[] = [];
  for (const number of numbers) {
    const { name, shape } = program.values[number]!;
    const rows = rowCount(shape[0] ?? 1, { tokens, outputs });
    const width = shape.slice(1).reduce<number>((product, size) => product * Number(size), 1);
    wanted.push({ name, word: at, rows, width });
    at += rows * width;
  }
  const buffer = exchangeWords(program, plan, { tokens, outputs });
  return { batch, wanted, buffers: [4 * at, 4 * (at + buffer)], words: at + 2 * buffer };
}

/** Words of the largest value exchanged. */
function exchangeWords(program: Program, plan: ThreadPlan, sizes: { tokens: number; outputs: number }): number {
  const exchanged = new Set(plan.steps.flatMap((step) => (step.kind === 'op' ? [] : [step.value])));
  let most = 0;
  for (const { name, shape } of program.values) {
    if (!exchanged.has(name)) continue;
    const [rows = 1, ...rest] = shape;
    most = Math.max(
      most,
      rest.reduce<number>((product, size) => product * Number(size), rowCount(rows, sizes)),
    );
  }
  return most;
}
