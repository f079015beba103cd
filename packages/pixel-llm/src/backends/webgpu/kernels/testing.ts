/** For tests of kernels: weights as their planes, and what products of them must be. */
import assert from 'node:assert/strict';
import { type Random, randomWeight, type TestWeight } from '../../../../test/conformance-weights.ts';
import { typeNamed } from '../../../gguf/testing.ts';
import { splitPlane } from '../../../pxi/planes.ts';

/** A matrix of random blocks, as blocks and as numbers. */
export function randomMatrix(type: string, rows: number, columns: number, random: Random): TestWeight {
  return randomWeight('matrix', type, [rows, columns], random);
}

/** Its planes by the names they are bound under. */
export function planesOf(name: string, { weight, blocks }: TestWeight): Record<string, Uint8Array> {
  const type = typeNamed(weight.type);
  return Object.fromEntries(
    type.fields.map((field) => {
      const plane = new Uint8Array((blocks.length / type.blockBytes) * field.bytes);
      splitPlane(type, field.name, blocks, plane);
      return [`${name}.${field.name}`, plane];
    }),
  );
}

export function randomFloats(count: number, random: Random): Float32Array<ArrayBuffer> {
  return Float32Array.from({ length: count }, () => 2 * random() - 1);
}

/** x [T, columns] with every row of the matrix, in f64 -> [T, rows] */
export function productInDoubles(x: Float32Array, matrix: Float32Array, columns: number): Float64Array {
  const [tokens, rows] = [x.length / columns, matrix.length / columns];
  const out = new Float64Array(tokens * rows);
  for (let t = 0; t < tokens; t++) {
    for (let row = 0; row < rows; row++) {
      let sum = 0;
      for (let i = 0; i < columns; i++) sum += x[t * columns + i]! * matrix[row * columns + i]!;
      out[t * rows + row] = sum;
    }
  }
  return out;
}

/** max|a - b| / max|b|; a value that is no number is infinitely far away. */
export function relativeDifference(found: ArrayLike<number>, expected: ArrayLike<number>): number {
  assert.equal(found.length, expected.length);
  let [difference, largest] = [0, 0];
  for (let i = 0; i < expected.length; i++) {
    const distance = Math.abs(found[i]! - expected[i]!);
    difference = Number.isNaN(distance) ? Number.POSITIVE_INFINITY : Math.max(difference, distance);
    largest = Math.max(largest, Math.abs(expected[i]!));
  }
  return largest === 0 ? difference : difference / largest;
}
