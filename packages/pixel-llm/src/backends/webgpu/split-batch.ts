/** A batch that is larger than one pass may be, cut into batches that are run one after the other: entries stay in order, so the results are the same. */
import type { Program } from '../../program/program.ts';
import type { Batch } from '../types.ts';
import type { Capacity } from './plan.ts';

export interface BatchPart {
  readonly batch: Batch;
  /** Of the whole batch's outputs, the first that is this part's. */
  readonly firstOutput: number;
}

export function splitBatch(program: Program, batch: Batch, { tokens, outputs }: Capacity): BatchPart[] {
  const count = batch.positions.length;
  const kept = batch.outputEntries;
  // Without entries there may still be outputs: of Programs whose inputs are outputs' rows.
  if (count <= tokens && kept.length <= outputs) return [{ batch, firstOutput: 0 }];
  const parts: BatchPart[] = [];
  let firstOutput = 0;
  for (let start = 0; start < count; ) {
    let end = Math.min(count, start + tokens);
    let lastOutput = firstOutput;
    while (lastOutput < kept.length && kept[lastOutput]! < end) lastOutput++;
    if (lastOutput > firstOutput + outputs) {
      lastOutput = firstOutput + outputs;
      end = kept[lastOutput]!;
    }
    parts.push({ batch: partOf(program, batch, [start, end], [firstOutput, lastOutput]), firstOutput });
    start = end;
    firstOutput = lastOutput;
  }
  return parts;
}

type Range = readonly [start: number, end: number];

function partOf(program: Program, batch: Batch, entries: Range, outputs: Range): Batch {
  const inputs: Record<string, Float32Array | Int32Array> = {};
  for (const [name, given] of Object.entries(batch.inputs)) {
    const leading = program.values.find((value) => value.name === name)?.shape[0];
    const rows = leading === 'outputs' ? batch.outputEntries.length : batch.positions.length;
    const [start, end] = leading === 'outputs' ? outputs : entries;
    const width = given.length / rows;
    inputs[name] = typeof leading === 'number' ? given : given.subarray(start * width, end * width);
  }
  return {
    ...batch,
    inputs,
    sequences: batch.sequences.subarray(...entries),
    positions: batch.positions.subarray(...entries),
    outputEntries: batch.outputEntries.slice(...outputs).map((entry) => entry - entries[0]),
    ...(batch.sampling && { sampling: batch.sampling.slice(...outputs) }),
  };
}
