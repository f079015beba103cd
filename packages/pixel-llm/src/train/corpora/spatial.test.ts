import assert from 'node:assert/strict';
import { test } from 'node:test';
import { solveSpatial } from './solve-spatial.ts';
import { SPATIAL_KINDS, writeSpatial } from './spatial.ts';

for (const kind of SPATIAL_KINDS) {
  test(`every ${kind} question has one answer, which a search from its text finds`, () => {
    for (let example = 0; example < 1000; example++) {
      const { prompt, completion, hops } = writeSpatial(7, example, kind);
      assert.equal(solveSpatial(prompt), completion, prompt);
      assert.ok(hops >= 1);
    }
  });
}

test('an example is a function of seed and number, and kinds take turns', () => {
  assert.deepEqual(writeSpatial(1, 8), writeSpatial(1, 8));
  assert.notDeepEqual(writeSpatial(1, 8), writeSpatial(2, 8));
  assert.deepEqual(
    SPATIAL_KINDS.map((_, example) => writeSpatial(1, example).kind),
    SPATIAL_KINDS,
  );
});

test('relations need one to ten hops, and all nine answers occur', () => {
  const examples = Array.from({ length: 2000 }, (_, example) => writeSpatial(3, example, 'relation'));
  assert.deepEqual(
    [...new Set(examples.map(({ hops }) => hops))].sort((a, b) => a - b),
    [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
  );
  assert.equal(new Set(examples.map(({ completion }) => completion)).size, 9);
});

test('yes and no are about as frequent', () => {
  for (const kind of ['containment', 'size'] as const) {
    const yes = Array.from({ length: 1000 }, (_, i) => writeSpatial(5, i, kind)).filter(
      ({ completion }) => completion === 'yes',
    );
    assert.ok(yes.length > 420 && yes.length < 580, `${kind}: ${yes.length} of 1000`);
  }
});

test('a question whose text does not say the answer is not answered', () => {
  assert.equal(
    solveSpatial('The cup is above the pen. The hat is above the box. Where is the cup from the hat?'),
    undefined,
  );
  assert.equal(solveSpatial('The cup is larger than the pen. Is the hat larger than the pen?'), undefined);
  assert.equal(solveSpatial('What time is it?'), undefined);
});
