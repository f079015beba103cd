/** Checks a training batch before anything is computed: lengths, and that sequences stand together. */
import { PixelError } from '../core/errors.ts';
import type { TrainingProgram } from '../program/training-program.ts';
import type { TrainingBatch } from './training-types.ts';

/** Throws `bad-argument`. */
export function checkTrainingBatch(program: TrainingProgram, { sequences, inputs }: TrainingBatch): void {
  for (const name of program.inputs) {
    const input = inputs[name];
    const { shape = [], type = 'f32' } = program.values.find((value) => value.name === name) ?? {};
    const isOfType = type === 'i32' ? input instanceof Int32Array : input instanceof Float32Array;
    const length = shape.slice(1).reduce<number>((product, size) => product * Number(size), sequences.length);
    if (isOfType && input?.length === length) continue;
    throw new PixelError('bad-argument', `The input "${name}" must be ${length} numbers of type ${type}.`);
  }
  sequenceStarts(sequences);
}

/** For each entry, the first entry of its sequence. [tokens] Throws `bad-argument` for a sequence that does not stand together. */
export function sequenceStarts(sequences: Int32Array): Int32Array {
  const starts = new Int32Array(sequences.length);
  const seen = new Set<number>();
  for (let entry = 0; entry < sequences.length; entry++) {
    const sequence = sequences[entry]!;
    if (entry > 0 && sequence === sequences[entry - 1]) {
      starts[entry] = starts[entry - 1]!;
      continue;
    }
    if (seen.has(sequence))
      throw new PixelError('bad-argument', `The entries of sequence ${sequence} do not stand together.`);
    seen.add(sequence);
    starts[entry] = entry;
  }
  return starts;
}
