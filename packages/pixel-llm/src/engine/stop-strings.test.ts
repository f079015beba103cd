import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createStopMatcher } from './stop-strings.ts';

function run(stops: readonly string[], pieces: readonly string[]): { shown: string; stopped: string | undefined } {
  const matcher = createStopMatcher(stops);
  let shown = '';
  for (const piece of pieces) shown += matcher.push(piece);
  return { shown: shown + matcher.flush(), stopped: matcher.stopped };
}

test('text goes on at once when no stop string can begin in it, and waits when one can', () => {
  const matcher = createStopMatcher(['END', 'User:']);
  assert.equal(matcher.push('Hello '), 'Hello ');
  assert.equal(matcher.push('E'), '');
  assert.equal(matcher.push('N'), '');
  assert.equal(matcher.push('d'), 'ENd');
  assert.equal(matcher.push(' Us'), ' ');
  assert.equal(matcher.push('er'), '');
  assert.equal(matcher.push(': more'), '');
  assert.equal(matcher.stopped, 'User:');
  assert.equal(matcher.push('nothing after'), '');
  assert.equal(matcher.flush(), '');
});

test('what waited is given out when the text ends without a stop string', () => {
  assert.deepEqual(run(['###'], ['a#', '#']), { shown: 'a##', stopped: undefined });
});

test('a start that turned out wrong may hold the right start: aab in aaab', () => {
  assert.deepEqual(run(['aab'], ['a', 'a', 'a', 'b', 'c']), { shown: 'a', stopped: 'aab' });
});

test('the stop string that ends first wins, and the longer of two that end together', () => {
  assert.deepEqual(run(['abcd', 'c'], ['xabcd']), { shown: 'xab', stopped: 'c' });
  for (const stops of [
    ['b', 'ab'],
    ['ab', 'b'],
  ]) {
    assert.deepEqual(run(stops, ['xa', 'b']), { shown: 'x', stopped: 'ab' });
  }
});

test('the result does not depend on how the text is cut, and shows no stop string', () => {
  const letters = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 1, maxLength: 4 });
  const pieces = fc.array(fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 5 }), { maxLength: 12 });
  fc.assert(
    fc.property(fc.array(letters, { minLength: 1, maxLength: 3 }), pieces, (stops, cut) => {
      const whole = cut.join('');
      const result = run(stops, cut);
      assert.deepEqual(result, run(stops, [...whole]));
      assert.deepEqual(result, run(stops, [whole]));
      assert.ok(stops.every((stop) => !result.shown.includes(stop)));
      if (result.stopped === undefined) assert.equal(result.shown, whole);
      else assert.ok(whole.startsWith(result.shown + result.stopped));
    }),
  );
});

test('an empty stop string is refused', () => {
  assert.throws(() => createStopMatcher(['']), /not empty/);
});
