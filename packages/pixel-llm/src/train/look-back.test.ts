import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gaussians } from './gaussians.ts';
import { lookBack } from './look-back.ts';

const POSITIONS = 60;

for (const shape of [
  { dim: 128, heads: 4, kvHeads: 4, ropeBase: 1_000_000 },
  { dim: 96, heads: 4, kvHeads: 4, ropeBase: 10_000 },
  { dim: 128, heads: 4, kvHeads: 2, ropeBase: 10_000 },
]) {
  const { dim, heads, kvHeads, ropeBase } = shape;
  test(`heads begin by looking one, two and three tokens back (${dim} wide, ${kvHeads} of ${heads} key heads, base ${ropeBase})`, () => {
    const random = (stream: number, rows: number, scale = 1) =>
      gaussians(1, stream, rows * dim, scale / Math.sqrt(dim));
    const [embedding, query, key, output] = [random(0, POSITIONS, 0.5), random(1, dim), random(2, dim), random(3, dim)];
    const quiet = output.slice();
    lookBack(shape, { embedding, query, key, output }, 2);
    assert.deepEqual(
      output,
      quiet.map((value, i) => (i % dim < (3 * dim) / 4 ? 2 * value : value)),
    );
    const size = dim / heads;
    const inputs = Array.from({ length: POSITIONS }, (_, i) => normalized(embedding.subarray(i * dim, (i + 1) * dim)));
    const last = POSITIONS - 1;
    for (let head = 0; head < 3; head++) {
      const keyHead = Math.floor((head * kvHeads) / heads);
      const asked = rotated(product(query, inputs[last]!, head * size, size), last, ropeBase);
      const scores = inputs.map((input, position) => {
        const offered = rotated(product(key, input, keyHead * size, size), position, ropeBase);
        return asked.reduce((sum, value, i) => sum + value * offered[i]!, 0) / Math.sqrt(size);
      });
      const all = scores.reduce((sum, score) => sum + Math.exp(score), 0);
      assert.ok(Math.exp(scores[last - head - 1]!) / all > 0.9, `head ${head}: ${scores.map((s) => s.toFixed(1))}`);
    }
  });
}

function normalized(row: Float32Array): number[] {
  const mean = row.reduce((sum, value) => sum + value * value, 0) / row.length;
  return Array.from(row, (value) => value / Math.sqrt(mean));
}

function product(matrix: Float32Array, input: readonly number[], firstRow: number, rows: number): number[] {
  return Array.from({ length: rows }, (_, row) =>
    input.reduce((sum, value, i) => sum + value * matrix[(firstRow + row) * input.length + i]!, 0),
  );
}

/** Neighbours turn together, as in the llama architecture. */
function rotated(row: readonly number[], position: number, base: number): number[] {
  return row.map((value, i) => {
    const angle = position * base ** (-(i - (i % 2)) / row.length);
    const other = row[i ^ 1]!;
    return value * Math.cos(angle) + (i % 2 === 0 ? -1 : 1) * other * Math.sin(angle);
  });
}
