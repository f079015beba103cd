/** What a device's cache holds of a batch's keys and values: they may have been rounded. */
import type { ProgramState } from '../../program/program.ts';
import type { Batch, Executor } from '../types.ts';

/** Of one attention op: [tokens, kvHeads x headDim] each. */
export interface Kept {
  readonly keys: Float32Array;
  readonly values: Float32Array;
}

/** By state; undefined where the device does not let its pages out. */
export async function readKept(executor: Executor, batch: Batch): Promise<ReadonlyMap<string, Kept> | undefined> {
  if (!executor.readPage) return undefined;
  const { program, pageTokens } = executor;
  const { positions, sequences, pages } = batch;
  const contents = new Map<number, Float32Array>();
  const kept = new Map(program.state.map((state) => [state.name, emptyKept(state, positions.length)]));
  for (const [entry, position] of positions.entries()) {
    const page = pages[sequences[entry]!]![Math.floor(position / pageTokens)]!;
    const content = contents.get(page) ?? (await executor.readPage(page, pageTokens));
    contents.set(page, content);
    copyEntry(content, executor, position % pageTokens, entry, kept);
  }
  return kept;
}

/** A page holds, for each state in order, the keys of all its positions, then the values. */
function copyEntry(
  content: Float32Array,
  { program, pageTokens }: Executor,
  place: number,
  entry: number,
  kept: ReadonlyMap<string, Kept>,
): void {
  let at = 0;
  for (const { name, kvHeads, headDim } of program.state) {
    const width = kvHeads * headDim;
    const { keys, values } = kept.get(name)!;
    for (const part of [keys, values]) {
      const start = at + place * width;
      part.set(content.subarray(start, start + width), entry * width);
      at += width * pageTokens;
    }
  }
}

function emptyKept({ kvHeads, headDim }: ProgramState, entries: number): Kept {
  const length = entries * kvHeads * headDim;
  return { keys: new Float32Array(length), values: new Float32Array(length) };
}
