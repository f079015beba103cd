import assert from 'node:assert/strict';
import { test } from 'node:test';
import { forEachTextPixel, LETTER_HEIGHT, textWidth } from './font.ts';

function dots(text: string): string[] {
  const list: string[] = [];
  forEachTextPixel(text, (x, y) => void list.push(`${x},${y}`));
  return list;
}

const ASCII = Array.from({ length: 95 }, (_, index) => String.fromCharCode(32 + index));

test('every printable letter has a shape of its own, and only the space has none', () => {
  const shapes = new Map<string, string>();
  for (const letter of ASCII) {
    const shape = dots(letter).join(' ');
    assert.equal(shape === '', letter === ' ');
    assert.equal(shapes.get(shape), undefined, `${letter} looks like ${shapes.get(shape)}`);
    shapes.set(shape, letter);
  }
});

test('no pixel of a text lies outside its width and height', () => {
  const text = ASCII.join('');
  forEachTextPixel(text, (x, y) => assert.ok(x >= 0 && x < textWidth(text) && y >= 0 && y < LETTER_HEIGHT));
  assert.equal(textWidth('ab', 2), 22);
  assert.equal(textWidth(''), 0);
});

test('a letter that is not drawn here becomes a question mark', () => {
  assert.deepEqual(dots('\u00e9'), dots('?'));
  assert.deepEqual(dots('\n'), dots('?'));
});
