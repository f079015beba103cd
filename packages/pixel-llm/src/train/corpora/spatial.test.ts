import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withoutSteps, withSteps } from '../tasks/question.ts';
import { solveSpatial } from './solve-spatial.ts';
import { DIRECTIONS, SPATIAL_KINDS, type SpatialKind, writeRecall, writeSpatial } from './spatial.ts';

for (const kind of SPATIAL_KINDS) {
  test(`every ${kind} question has one answer, which a search from its text finds`, () => {
    for (let example = 0; example < 1000; example++) {
      const { prompt, completion, hops } = writeSpatial(7, example, { kind });
      assert.equal(solveSpatial(prompt), completion, prompt);
      assert.ok(hops >= 1);
    }
  });
}

/** What was written down on the way, clause by clause, for so many examples of a kind. */
function stepsOf(kind: SpatialKind, count = 300): { prompt: string; steps: string[]; answer: string; line: string }[] {
  return Array.from({ length: count }, (_, example) => {
    const { prompt, steps, completion: answer } = writeSpatial(11, example, { kind });
    assert.equal(withoutSteps(withSteps(steps, answer)), answer);
    assert.equal(withoutSteps(answer), answer);
    return { prompt, steps: steps.split(', '), answer, line: `${prompt} ${steps}: ${answer}` };
  });
}

test('a relation is searched: things are where they are told to be from the start, and the last is the answer', () => {
  for (const { prompt, steps, answer, line } of stepsOf('relation')) {
    const facts = prompt.replace(/Where is.*/, '');
    const [, end, start] = /Where is the (\w+) from the (\w+)\?/.exec(prompt)!;
    assert.ok(steps.includes(`at a ${start} 0 0`), line);
    const found = steps.flatMap((step) => [...(/^at [a-z] (\w+) (-?\d+) (-?\d+) \w+$/.exec(step) ?? [])].slice(1, 4));
    for (let i = 0; i < found.length; i += 3) {
      const [thing, x, y] = [found[i], Math.sign(Number(found[i + 1])), Math.sign(Number(found[i + 2]))];
      const words = DIRECTIONS.find((one) => one.x === x && one.y === y)!.words.replace(/ of$/, '');
      assert.equal(words, solveSpatial(`${facts}Where is the ${thing} from the ${start}?`), line);
      if (i + 3 === found.length) assert.deepEqual([thing, words], [end, answer], line);
    }
    assert.ok(found.length >= 3, line);
  }
});

test('a way is searched from its end, then told from its start', () => {
  for (const { prompt, steps, answer, line } of stepsOf('path')) {
    const [, from, to] = /from the (\w+) to the (\w+)\?/.exec(prompt)!;
    const ways = steps.flatMap((step) => (step.match(/\bfrom .*/) ?? []).map((way) => way.split(' ')));
    const words = answer.split(', ');
    const told = ways.slice(-words.length);
    assert.deepEqual(
      told.map(([, , word]) => word),
      words,
      line,
    );
    assert.deepEqual([told[0]![1], told.at(-1)![4]], [from, to], line);
    for (const [i, way] of told.slice(1).entries()) assert.equal(way[1], told[i]![4], line);
    for (const way of told)
      assert.ok(
        ways.slice(0, -words.length).some((one) => one.join() === way.join()),
        line,
      );
  }
});

test('what is to be recalled is told from both ends, then the same in another order', () => {
  for (let example = 0; example < 300; example++) {
    const { kind, hops, prompt, completion } = writeRecall(11, example, { mostHops: 4 });
    const [told, again] = completion.split('; ').map((part) => part.split(', '));
    assert.equal(told!.length, 2 * hops, kind);
    assert.deepEqual(again!.toSorted(), told!.toSorted());
    assert.equal(prompt.match(/ is /g)!.length, hops);
  }
  assert.throws(() => writeRecall(11, 0, { kind: 'region' }), { code: 'bad-argument' });
});

test('sizes are searched as ranks, and compared at the end', () => {
  for (const { prompt, steps, answer, line } of stepsOf('size')) {
    const [, a, word, b] = /Is the (\w+) (\w+) than the (\w+)\?/.exec(prompt)!;
    const [found, , last] = steps.slice(-3);
    assert.ok(steps.includes(`at a ${a} 0`), line);
    const [, thing, rank] = /^at [a-z] (\w+) (-?\d+) \w+$/.exec(found!)!;
    assert.equal(thing, b, line);
    const isSmaller = Number(rank) > 0;
    assert.equal(last, `${a} ${isSmaller ? 'smaller' : 'larger'} ${b}`, line);
    assert.equal(last!.includes(word!) ? 'yes' : 'no', answer, line);
  }
});

test('what is in what is followed outwards', () => {
  for (const { prompt, steps, answer } of stepsOf('containment')) {
    const [, holder] = /in the (\w+)\?$/.exec(prompt)!;
    assert.equal(steps.at(-1)!.split(' in ').at(-1) === holder ? 'yes' : 'no', answer);
  }
});

test('regions are looked at as they were told, until one is in the columns', () => {
  for (const { prompt, steps, answer, line } of stepsOf('region')) {
    const regions = [...prompt.matchAll(/region (\w+) goes from \((-?\d+), (-?\d+)\) to \((-?\d+), (-?\d+)\)/g)];
    const [, x, y] = /holds \((-?\d+), (-?\d+)\)/.exec(prompt)!.map(Number);
    const looked = regions.slice(0, steps.length - 1);
    const within = (low: string, high: string, value: number): string =>
      Number(low) <= value && value <= Number(high) ? 'in' : 'out';
    const rows = looked.at(-1)!;
    assert.deepEqual(
      steps,
      [
        ...looked.map(([, name, left, , right]) => `${name} ${left} ${right} ${x} ${within(left!, right!, x!)}`),
        `${rows[3]} ${rows[5]} ${y} ${within(rows[3]!, rows[5]!, y!)}`,
      ],
      line,
    );
    assert.equal(answer, steps.at(-1)!.endsWith('in') ? rows[1] : 'none');
  }
});

test('an example is a function of seed and number, and kinds take turns', () => {
  assert.deepEqual(writeSpatial(1, 8), writeSpatial(1, 8));
  assert.notDeepEqual(writeSpatial(1, 8), writeSpatial(2, 8));
  assert.deepEqual(
    SPATIAL_KINDS.map((_, example) => writeSpatial(1, example).kind),
    SPATIAL_KINDS,
  );
});

test('relations need one to ten hops, and all nine answers occur', () => {
  const examples = Array.from({ length: 2000 }, (_, example) => writeSpatial(3, example, { kind: 'relation' }));
  assert.deepEqual(
    [...new Set(examples.map(({ hops }) => hops))].sort((a, b) => a - b),
    [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
  );
  assert.equal(new Set(examples.map(({ completion }) => completion)).size, 9);
});

test('yes and no are about as frequent', () => {
  for (const kind of ['containment', 'size'] as const) {
    const yes = Array.from({ length: 1000 }, (_, i) => writeSpatial(5, i, { kind })).filter(
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
