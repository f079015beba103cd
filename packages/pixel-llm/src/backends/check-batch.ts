/** Checks a batch against the Program and the pages there are, before a backend changes anything. All backends call it first. */
import { PixelError } from '../core/errors.ts';
import type { Dimension, Program } from '../program/program.ts';
import { checkSampling } from './check-sampling.ts';
import type { Batch } from './types.ts';

/** Throws `bad-argument` with what is wrong. */
export function checkBatch(program: Program, pages: { pageCount: number; pageTokens: number }, batch: Batch): void {
  const tokens = batch.positions.length;
  check(batch.sequences.length === tokens, `it has ${batch.sequences.length} sequences for ${tokens} positions`);
  checkEntries(batch);
  if (program.state.length > 0) checkPages(batch, pages);
  checkOutputs(batch);
  checkInputs(program, batch);
  if (!batch.sampling) return;
  check(
    batch.sampling.length === batch.outputEntries.length,
    `it has ${batch.sampling.length} rows of sampling settings for ${batch.outputEntries.length} outputs`,
  );
  for (const settings of batch.sampling) checkSampling(settings, program.vocab);
}

/** Number of values in a shape, once the names in it are bound. */
function sizeOf(shape: readonly Dimension[], batch: Batch): number {
  return shape.reduce<number>((size, dimension) => size * lengthOf(dimension, batch), 1);
}

export function lengthOf(dimension: Dimension, { positions, outputEntries }: Batch): number {
  if (dimension === 'tokens') return positions.length;
  return dimension === 'outputs' ? outputEntries.length : dimension;
}

function checkEntries({ sequences, positions, pages }: Batch): void {
  const last = new Map<number, number>();
  positions.forEach((position, entry) => {
    const sequence = sequences[entry]!;
    check(sequence >= 0 && sequence < pages.length, `entry ${entry} is of sequence ${sequence} of ${pages.length}`);
    check(position > (last.get(sequence) ?? -1), `entry ${entry} is at position ${position}, not after the one before`);
    last.set(sequence, position);
  });
}

function checkPages(
  { sequences, positions, pages }: Batch,
  { pageCount, pageTokens }: { pageCount: number; pageTokens: number },
): void {
  for (const page of pages.flat()) {
    check(Number.isInteger(page) && page >= 0 && page < pageCount, `it names page ${page} of ${pageCount}`);
  }
  const written = new Set<number>();
  positions.forEach((position, entry) => {
    const page = pages[sequences[entry]!]![Math.floor(position / pageTokens)];
    if (page === undefined) throw bad(`entry ${entry} is at position ${position}, for which its sequence has no page`);
    const place = page * pageTokens + (position % pageTokens);
    check(!written.has(place), `entry ${entry} would overwrite another entry's place in page ${page}`);
    written.add(place);
  });
}

function checkOutputs({ positions, outputEntries }: Batch): void {
  outputEntries.forEach((entry, i) => {
    check(entry < positions.length, `it wants the output of entry ${entry} of ${positions.length}`);
    check(entry > (outputEntries[i - 1] ?? -1), 'its output entries do not ascend');
  });
}

function checkInputs({ inputs, values }: Program, batch: Batch): void {
  for (const name of inputs) {
    if (name === 'positions') continue;
    const value = values.find((candidate) => candidate.name === name);
    const given = batch.inputs[name];
    if (!value || !given) throw bad(`it lacks the input "${name}"`);
    const expected = sizeOf(value.shape, batch);
    check(given.length === expected, `its input "${name}" has ${given.length} values instead of ${expected}`);
    const fits = value.type === 'i32' ? given instanceof Int32Array : given instanceof Float32Array;
    check(fits, `its input "${name}" should be ${value.type ?? 'f32'}`);
  }
}

function check(holds: boolean, what: string): void {
  if (!holds) throw bad(what);
}

function bad(what: string): PixelError {
  return new PixelError('bad-argument', `The batch cannot be run: ${what}.`);
}
