import assert from 'node:assert/strict';
import { test } from 'node:test';
import { drawLosses, type LossPoint } from './loss-picture.ts';

const LINE = [120, 180, 255];
const HELD_OUT = [255, 170, 80];

function rowsOf(points: readonly LossPoint[], color: readonly number[], fromX: number, toX: number): number[] {
  const { width, height, pixels } = drawLosses('a title', points);
  const rows: number[] = [];
  for (let y = 30; y < height; y++) {
    for (let x = fromX; x < toX; x++) {
      const at = 4 * (y * width + x);
      if (color.every((value, i) => pixels[at + i] === value)) rows.push(y);
    }
  }
  return rows;
}

test('a falling loss is drawn as a line that goes down, without holes', () => {
  const points = Array.from({ length: 400 }, (_, i) => ({ step: i + 1, loss: 5 * Math.exp(-i / 80) + 0.5 }));
  const [start, end] = [rowsOf(points, LINE, 66, 70), rowsOf(points, LINE, 860, 880)];
  assert.ok(Math.max(...start) < 80, `begins in row ${Math.max(...start)}`);
  assert.ok(Math.min(...end) > 380, `ends in row ${Math.min(...end)}`);
  const rows = new Set(rowsOf(points, LINE, 64, 884));
  for (let row = Math.min(...rows); row <= Math.max(...rows); row++) assert.ok(rows.has(row), `a hole in row ${row}`);
});

test('what is held out stands at its own height', () => {
  const points = [
    { step: 1, loss: 8 },
    { step: 2, loss: 0.5, heldOutLoss: 2 },
  ];
  const rows = rowsOf(points, HELD_OUT, 800, 900);
  // As many times more than the least as the most is more: half of the height between 36 and 444.
  assert.ok(Math.min(...rows) > 234 && Math.max(...rows) < 246, rows.join(' '));
});

test('one point, and a loss of nothing, are drawn too', () => {
  assert.equal(drawLosses('', [{ step: 1, loss: 0 }]).pixels.length, 900 * 480 * 4);
});
